package flowfile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Mappings that merge others over and over end soon.
func TestMergeBomb(t *testing.T) {
	var text strings.Builder
	text.WriteString("groups:\n- name: a\n  rules:\n  - &r0 {record: r0, expr: sum(up)}\n")
	for i := 1; i < 15; i++ {
		fmt.Fprintf(&text, "  - &r%d {<<: [%s], record: r%d}\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*r%d, ", i-1), 20), ", "), i)
	}
	began := time.Now()
	flows, problems := Parse("f.yml", []byte(text.String()))
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
	if len(flows) == 0 {
		t.Errorf("no flow is read: %v", problems)
	}
}
