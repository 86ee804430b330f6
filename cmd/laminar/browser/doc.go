// Package browser holds the tests that look at the console as people do: in a Chromium,
// over the built binary and a private PostgreSQL. It is tests only, and apart from others
// so that only they compile what drives the browser.
//
// Each page is left as a picture in .build/console, for people to look at.
package browser
