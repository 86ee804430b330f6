package term

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Say writes text for people. It is the one way to a terminal: names, help
// texts and errors come from senders, files and the database, and what they
// hold must not move the cursor, change colours, hide text or pretend to be
// another line. format is ours and may hold line breaks, args are made
// harmless; a test finds whatever writes past it. JSON is for programs and keeps
// its own escapes.
func Say(w io.Writer, format string, args ...any) error {
	safe := make([]any, len(args))
	for i, arg := range args {
		safe[i] = harmless(arg)
	}
	_, err := fmt.Fprintf(w, format, safe...)
	return err
}

// harmless makes an argument of Say text without anything unprintable, unless
// it is a number.
func harmless(arg any) any {
	switch v := arg.(type) {
	case string:
		return printable(v)
	case error:
		return printable(v.Error())
	case fmt.Stringer:
		return printable(v.String())
	}
	switch reflect.TypeOf(arg).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint64, reflect.Float64:
		return arg
	default:
		return printable(fmt.Sprint(arg))
	}
}

// printable spells what a terminal would obey, or not show, as Go and JSON do:
// \n, \x1b, \u202e.
func printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 && utf8.ValidString(text) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case unprintable(r):
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			out.WriteString(text[i : i+size])
		}
		i += size
	}
	return out.String()
}

// unprintable says whether a rune is an instruction rather than text: control
// characters of both sets, line and paragraph separators, and invisible ones
// such as those that turn the direction of writing. Joiners, which some scripts
// and emoji need, are text.
func unprintable(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) ||
		unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner
}
