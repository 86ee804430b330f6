package nearest

import "testing"

func TestName(t *testing.T) {
	names := []string{"name", "promql", "every", "watermark_delay", "database.url", "status"}
	for typed, want := range map[string]string{
		"nmae": "name", "promqls": "promql", "Every": "every", "watermark_dealy": "watermark_delay", //nolint:misspell // misspelt on purpose
		"watermark-delay": "watermark_delay", "database.ulr": "database.url", "stauts": "status",
		"name": "name", "xyz": "", "": "", "a": "", "completely_else": "",
	} {
		if got := Name(typed, names); got != want {
			t.Errorf("Name(%q) is %q, want %q", typed, got, want)
		}
	}
	for _, pair := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 1}} {
		if got := distance(pair.a, pair.b); got != pair.want {
			t.Errorf("distance(%q, %q) is %d, want %d", pair.a, pair.b, got, pair.want)
		}
	}
}
