// Package promexpr is what can be seen by looking at a part of a PromQL expression. It
// knows of no leaf and no flow, and changes nothing that it looks at. What is made of it
// is for package flowdef.
package promexpr
