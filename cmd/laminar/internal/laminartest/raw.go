package laminartest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/cmd/fleet"
)

// RequireRaw checks that laminar.sample holds exactly what was acknowledged of a
// fleet's samples, each once.
func RequireRaw(t testing.TB, pool *pgxpool.Pool, want *Acknowledged) {
	t.Helper()
	index := map[string]int{}
	for i, set := range want.Series {
		index[labelKey(set)] = i
	}
	rows, err := pool.Query(t.Context(), `select labels::text, (extract(epoch from ts) * 1000)::bigint, value from laminar.sample
		where metric like 'http\_%' or metric like 'node\_%' or metric like 'app\_%' or metric like 'process\_%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found, wrong := 0, 0
	byDoc := map[string]int{} // -1: not one of the fleet's
	for rows.Next() {
		var doc string
		var ts int64
		var v *float64
		if err := rows.Scan(&doc, &ts, &v); err != nil {
			t.Fatal(err)
		}
		i, known := byDoc[doc]
		if !known {
			var set map[string]string
			if err := json.Unmarshal([]byte(doc), &set); err != nil {
				t.Fatal(err)
			}
			var list []fleet.Label
			for name, value := range set {
				list = append(list, fleet.Label{Name: name, Value: value})
			}
			i = -1
			if at, ok := index[labelKey(list)]; ok {
				i = at
			}
			byDoc[doc] = i
		}
		if i < 0 {
			continue
		}
		found++
		if expect, ok := want.Samples[i][ts]; !ok || v == nil || *v != expect {
			if wrong++; wrong <= 5 {
				t.Errorf("%s at %d: stored %v, sent %v (%v)", doc, ts, v, expect, ok)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if found != want.Count() || wrong > 0 {
		t.Fatalf("%d samples stored, %d of them wrong; %d were acknowledged", found, wrong, want.Count())
	}
}

func labelKey(set []fleet.Label) string {
	parts := make([]string, len(set))
	for i, l := range set {
		parts[i] = l.Name + "=" + l.Value
	}
	slices.Sort(parts)
	return strings.Join(parts, "\x00")
}
