package laminartest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/cmd/fleet"
)

// Stored is how the samples that are stored differ from those that were acknowledged.
type Stored struct {
	Lost   int // acknowledged and not stored, or with another value
	Double int // stored once more
	Others int // stored and not acknowledged
}

// RequireRaw checks that laminar.sample holds exactly what was acknowledged of a
// fleet's samples, each once. It ends the test if not.
func RequireRaw(t testing.TB, pool *pgxpool.Pool, want *Acknowledged) {
	t.Helper()
	RequireStored(t, pool, want, &Stored{})
}

// RequireStored is RequireRaw, and fills out when it ends the test, too.
func RequireStored(t testing.TB, pool *pgxpool.Pool, want *Acknowledged, out *Stored) {
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
	type key struct {
		series int
		at     int64
	}
	seen := map[key]bool{}
	found, right, wrong := 0, 0, 0
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
		expect, ok := want.Samples[i][ts]
		if !ok {
			out.Others++
		} else if seen[key{i, ts}] {
			out.Double++
		} else if v != nil && *v == expect {
			right++
		}
		seen[key{i, ts}] = true
		if !ok || v == nil || *v != expect {
			if wrong++; wrong <= 5 {
				t.Errorf("%s at %d: stored %v, sent %v (%v)", doc, ts, v, expect, ok)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	out.Lost = want.Count() - right
	if found != want.Count() || wrong > 0 || *out != (Stored{}) {
		t.Fatalf("%d samples stored, %d of them wrong; %d were acknowledged: %d lost, %d double, %d others",
			found, wrong, want.Count(), out.Lost, out.Double, out.Others)
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
