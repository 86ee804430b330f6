package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// built is what the browser gets: `make console` writes it.
//
//go:embed dist
var built embed.FS

// indexFile is the page that every path of the console begins with.
const indexFile = "index.html"

// base is what stands in index.html where the console's path belongs.
const base = `<base href="/">`

// file is one file as it is sent.
type file struct {
	kind   string // of its content
	etag   string
	plain  []byte
	zipped []byte // by gzip; nil where that is no shorter
}

// Console is an http.Handler for everything below its path, and may be called by many
// goroutines at once.
type Console struct {
	dir   string // with a slash at its end
	files map[string]*file
}

// New makes the console to be served below a path, which ends in a slash.
func New(dir string) (*Console, error) {
	c := &Console{dir: dir, files: map[string]*file{}}
	names, err := fs.Glob(built, "dist/*")
	if err != nil {
		return nil, fmt.Errorf("list the files of the console: %w", err)
	}
	for _, name := range names {
		text, err := built.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a file of the console: %w", err)
		}
		name = path.Base(name)
		if name == indexFile {
			text = bytes.Replace(text, []byte(base), []byte(`<base href="`+html.EscapeString(c.dir)+`">`), 1)
		}
		if c.files[name], err = newFile(name, text); err != nil {
			return nil, fmt.Errorf("compress %s of the console: %w", name, err)
		}
	}
	return c, nil
}

func newFile(name string, text []byte) (*file, error) {
	sum := sha256.Sum256(text)
	f := &file{kind: mime.TypeByExtension(path.Ext(name)), etag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: text}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if zipped.Len() < len(text) {
		f.zipped = zipped.Bytes()
	}
	return f, nil
}

// policy lets the pages load from this server only, run no script that stands in a page,
// and be shown in no frame. Styles of elements are set by the chart's program.
const policy = "default-src 'self'; img-src 'self' data:; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// ServeHTTP answers with a file, or for the path of a page with the page.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return
	}
	f := c.files[strings.TrimPrefix(r.URL.Path, c.dir)]
	if f == nil {
		f = c.files[indexFile]
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.etag)
	// The names of the files stay the same over versions, so each use asks again.
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if match(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if f.zipped != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = f.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a browser that has left needs no answer
	}
}

// match reports whether a header If-None-Match names the ETag. A proxy that has
// compressed the file may have made it a weak one.
func match(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == etag {
			return true
		}
	}
	return false
}

// acceptsGzip reports whether a header Accept-Encoding has gzip, and not with weight 0.
func acceptsGzip(header string) bool {
	for one := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(one, " ", ""), ";")
		if strings.EqualFold(name, "gzip") {
			return strings.TrimRight(weight, "0.") != "q="
		}
	}
	return false
}
