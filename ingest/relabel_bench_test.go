package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"laminar/sequence/series"
)

// BenchmarkSpellings measures how the series of a spelling is found where a rule makes one
// series of many: of a spelling that is remembered, and of one beyond those that are
// remembered of a series, which is relabelled anew.
func BenchmarkSpellings(b *testing.B) {
	const spellings = 2000
	d := openReceiver(b, Config{Relabel: relabeler(b, "- {source_labels: [pod], regex: '(.+)-[^-]+', target_label: deployment}\n- {regex: pod, action: labeldrop}")}, nil)
	in, err := d.Begin(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer in.End()
	in.Received()
	var keys [][]byte
	var raws [][]series.RawLabel
	for i := range spellings {
		list := []string{"__name__", "http_requests_total", "code", "200", "instance", "10.0.0.1:8080", "job", "web", "namespace", "shop", "pod", fmt.Sprintf("web-%d", i)}
		var raw []series.RawLabel
		var key []byte
		for k := 0; k < len(list); k += 2 {
			raw = append(raw, series.RawLabel{Name: []byte(list[k]), Value: []byte(list[k+1])})
			key = append(append(append(append(key, list[k]...), 0xff), list[k+1]...), 0xff)
		}
		keys, raws = append(keys, key), append(raws, raw)
		if err := in.put(d.table, ts(strings.Join(list, " "), at(1000, 1))); err != nil {
			b.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		first int
		known bool
	}{{"remembered", 0, true}, {"beyond", 1000, false}} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := tc.first + i%200
				sp, hash := d.table.Follow(nil, keys[at])
				if (sp != nil) != tc.known {
					b.Fatalf("spelling %d is remembered: %v", at, sp != nil)
				}
				if sp == nil {
					if _, refused := in.Resolve(d.table, hash, keys[at], raws[at]); refused != "" {
						b.Fatal(refused)
					}
				}
			}
		})
	}
}
