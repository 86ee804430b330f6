package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"laminar/cmd/laminar/internal/laminartest"
)

func TestMain(m *testing.M) { laminartest.Main(m) }

// patience is how long something may take to show, where it is not measured.
const patience = 2 * time.Minute

// browser is a Chromium; each look at a page has a tab of its own.
type browser struct{ ctx context.Context }

// newBrowser starts one that ends with the test.
func newBrowser(t *testing.T) browser {
	t.Helper()
	name := os.Getenv("LAMINAR_TEST_CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("there is no Chromium: %v; scripts/setup-chromium.sh installs one, LAMINAR_TEST_CHROMIUM names another", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to run as root otherwise
	}
	// The context of the browser has no deadline: the browser would end with it.
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return browser{ctx}
}

// tab is a page in the browser. What the page complains of fails the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	complains []string
}

// open opens a tab of a width, in light or dark.
func (b browser) open(t *testing.T, width int64, scheme string) *tab {
	t.Helper()
	ctx, stop := chromedp.NewContext(b.ctx)
	t.Cleanup(stop)
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			p.complains = append(p.complains, said(e.ExceptionDetails))
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				var text []string
				for _, a := range e.Args {
					text = append(text, string(a.Value)+a.Description)
				}
				p.complains = append(p.complains, strings.Join(text, " "))
			}
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
				p.complains = append(p.complains, e.Entry.Text+" "+e.Entry.URL)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(width, 900), media(scheme))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, text := range p.complains {
			t.Errorf("the console of the browser says: %s", text)
		}
	})
	return p
}

func said(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

// media sets light or dark.
func media(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval is the value of an expression in the page.
func eval[T any](p *tab, expr string) T {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expr))
	if err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	return v
}

// act runs a statement in the page.
func (p *tab) act(statement string) {
	p.t.Helper()
	eval[bool](p, "(() => { "+statement+"; return true; })()")
}

// visit loads a page.
func (p *tab) visit(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// forgive drops what the page has complained of, where it is about that.
func (p *tab) forgive(about string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.complains = slices.DeleteFunc(p.complains, func(text string) bool { return strings.Contains(text, about) })
}

// until waits for an expression to hold in the page, and says how long that took. A page
// that is on its way from one address to another is asked again.
func (p *tab) until(what, expr string) time.Duration {
	p.t.Helper()
	began := time.Now()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expr))
		if err == nil && holds {
			return time.Since(began)
		}
		select {
		case <-time.After(20 * time.Millisecond): // between two questions
		case <-ctx.Done():
			p.shot("failed")
			p.t.Fatalf("%s: %v\n%s", what, err, eval[string](p, "document.body.innerText"))
		}
	}
}

// shows waits until the page shows a text.
func (p *tab) shows(text string) time.Duration {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.until("the page does not show "+text, fmt.Sprintf("document.body.innerText.includes(%s)", quoted))
}

// key presses keys.
func (p *tab) key(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// press clicks what an expression finds, once it is there and enabled. It looks and clicks in
// one step: the page may be drawn anew at any time.
func (p *tab) press(what, found string) {
	p.t.Helper()
	p.until(what, fmt.Sprintf("((e) => { if (!e || e.disabled) return false; e.click(); return true; })(%s)", found))
}

// click presses the link or button with a text, once it is there.
func (p *tab) click(text string) {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		p.t.Fatal(err)
	}
	const one = `[...document.querySelectorAll("main a, main button")].find((e) => e.innerText === %s)`
	p.press("there is no "+text, fmt.Sprintf(one, quoted))
}

// find presses / and is in an empty field then. The driver types what a page has taken for
// itself, too.
func (p *tab) find() {
	p.t.Helper()
	p.key("/")
	p.until("/ leads to no field", `document.activeElement.matches("input, textarea")`)
	p.act(`document.activeElement.select()`)
}

// shot leaves a picture of the whole page.
func (p *tab) shot(name string) {
	p.t.Helper()
	ctx, stop := context.WithTimeout(p.ctx, patience)
	defer stop()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "..", ".build", "console")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// cut are the elements of a page whose text reaches out of them, or is cut off and can be read
// nowhere else. What is one pixel wide is for screen readers only.
const cut = `[...document.querySelectorAll("main *")].filter((e) => {
	if (e.clientWidth <= 1 || e.scrollWidth <= e.clientWidth + 1 || e.closest(".plot, .offers")) return false;
	const hides = getComputedStyle(e).overflowX === "hidden";
	return hides ? !e.title : e.matches(".legend *, .facts *, .tiles *, .key *, button, .button, h1, h2, h3, th, td, p, label");
}).map((e) => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 80)).join("\n")`

// whole fails where something of the page is cut off or reaches out of the window.
func (p *tab) whole(name string) {
	p.t.Helper()
	if over := eval[float64](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		p.t.Errorf("%s is %v pixels wider than the window", name, over)
	}
	if found := eval[string](p, cut); found != "" {
		p.t.Errorf("%s does not show whole:\n%s", name, found)
	}
}
