// Package console serves the console: pages for people, which show what flows do and why.
//
// The pages are programs of the browser's, written in TypeScript below ui and built into
// dist, which is committed: whoever builds Laminar needs Go only. They use the public API
// and nothing else, so this package knows nothing of flows. It answers with files and
// their headers: an ETag from what was built, a policy that allows no inline script and no
// other host, and index.html for every path that is a page's and not a file's.
//
// Who may see the pages is decided by package web.
package console
