package term

import (
	"bytes"
	"testing"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, Grüße, 日本語, 👩‍👩‍👧": "plain, Grüße, 日本語, 👩‍👩‍👧",
		`a\b "c" %s`:                      `a\b "c" %s`,
		"\x1b]0;title\x07\x1b[31m\x1b[2J": `\x1b]0;title\a\x1b[31m\x1b[2J`,
		"line\r\nFAKE ok\ttab":            `line\r\nFAKE ok\ttab`,
		"\x00\x7f\u0085\u009b31m":         `\x00\x7f\u0085\u009b31m`,
		"\u202eabc\u2066\u200e\u061c":     `\u202eabc\u2066\u200e\u061c`,
		"\u2028\u2029\ufeff\u00ad":        `\u2028\u2029\ufeff\u00ad`,
		"\U000e0041":                      `\U000e0041`,
		"bad \xff\xc3 utf-8":              `bad \xff\xc3 utf-8`,
	} {
		if got := printable(text); got != want {
			t.Errorf("printable(%q) is %q, want %q", text, got, want)
		}
		if got := printable(printable(text)); got != want {
			t.Errorf("printable twice of %q is %q", text, got)
		}
	}
}

func TestSay(t *testing.T) {
	var out bytes.Buffer
	if err := Say(&out, "%s|%v|%q|%d|%-4s|\n", "a\x1b", []string{"b\n"}, "c", 7, "d"); err != nil {
		t.Fatal(err)
	}
	if want := `a\x1b|[b\n]|"c"|7|d   |` + "\n"; out.String() != want {
		t.Errorf("Say writes %q, want %q", out.String(), want)
	}
}
