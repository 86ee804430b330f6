package demoview

import (
	"bytes"
	"strings"
	"testing"

	"laminar/cmd/laminar/internal/settings"
	"laminar/server"
)

// TestWhere: who runs the demo learns of the console, and a usual terminal shows all that
// is to be typed.
func TestWhere(t *testing.T) {
	for console, want := range map[string]string{
		"/": "In a browser: http://127.0.0.1:9201/ ", "/console": "http://127.0.0.1:9201/console ", "off": "Laminar answers at http://127.0.0.1:9201 ",
	} {
		c := &settings.Config{}
		c.DataDir = "data"
		c.Web.Console = console
		v := View{Config: c, Service: server.Service{Address: "127.0.0.1:9201"}}
		var out bytes.Buffer
		if err := v.where(&out); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("with console.path %s it says\n%s", console, out.String())
		}
		if strings.Count(out.String(), "\n") != 5 {
			t.Errorf("on a terminal of 24 lines there is room for 5 of\n%s", out.String())
		}
		for line := range strings.Lines(out.String()) {
			if console == "/" && len(line) > 81 {
				t.Errorf("%d characters: %s", len(line), line)
			}
		}
	}
}
