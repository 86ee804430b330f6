// Package flowstate asks a serving process what it has in memory of a flow, and lays it out
// for people: `laminar flow state`.
package flowstate
