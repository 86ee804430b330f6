package web

import (
	"fmt"
	"net/http"
	"path"
	"strings"
)

// ConsoleOff is the path that stands for no console.
const ConsoleOff = "off"

// CheckConsole says what is wrong with the path of the console.
func (c Config) CheckConsole() error {
	p := c.Console
	switch {
	case p == ConsoleOff:
		return nil
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("console.path is %q: want a path that begins with /, or off", p)
	case strings.Contains(p, "//"), p != "/" && path.Clean(p) != strings.TrimSuffix(p, "/"):
		return fmt.Errorf("console.path is %q: want no empty, . or .. part in it", p)
	case strings.ContainsFunc(p, notInPath):
		return fmt.Errorf("console.path is %q: want letters, digits, and any of /._~-", p)
	case ofAPI(c.ConsoleDir()):
		return fmt.Errorf("console.path is %q, which belongs to the API", p)
	}
	return nil
}

func notInPath(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._~-", r)
}

// ConsoleDir is the path of the console with a slash at its end, "" where there is none.
func (c Config) ConsoleDir() string {
	if c.Console == ConsoleOff || c.Console == "" {
		return ""
	}
	return strings.TrimSuffix(c.Console, "/") + "/"
}

// ofAPI reports whether a path is none of the console's, wherever that is served: an unknown
// one is answered 404 and not with a page.
func ofAPI(p string) bool {
	for _, prefix := range []string{"/api/", "/-/", "/debug/", "/metrics/"} {
		if strings.HasPrefix(p, prefix) || p+"/" == prefix {
			return true
		}
	}
	return false
}

// ofConsole reports whether a path is one of the console that is served below dir.
func ofConsole(p, dir string) bool { return dir != "" && strings.HasPrefix(p, dir) && !ofAPI(p) }

// besideConsole answers with the console what is the console's, and else with the routes.
func besideConsole(console http.Handler, dir string, routes http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case ofConsole(r.URL.Path, dir):
			console.ServeHTTP(w, r)
		case r.URL.Path+"/" == dir:
			http.Redirect(w, r, dir, http.StatusMovedPermanently)
		default:
			routes.ServeHTTP(w, r)
		}
	})
}
