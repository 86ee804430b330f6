package view

import (
	"fmt"
	"strconv"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/session"
)

// Key is a key of a definition and its value, as a definition file spells them.
type Key struct{ Key, Value string }

// Keys lists how a flow's definition sets its keys, beside those that a Definition has fields
// for: trigger, watermark_delay, emit and late of every flow, the others where they are not
// left at their defaults. The accuracy of sketches is in the expression.
func Keys(f *flowdef.Flow) []Key {
	keys := []Key{{"trigger", triggerText(f.Trigger)}}
	add := func(set bool, key, value string) {
		if set {
			keys = append(keys, Key{key, value})
		}
	}
	if w := f.Watermark; w != nil {
		add(true, "watermark", fmt.Sprintf("{by: [%s], idle: %s}", strings.Join(w.Labels, ", "), flowdef.FormatMillis(w.Idle)))
	}
	add(true, "watermark_delay", flowdef.FormatMillis(f.WatermarkDelay))
	add(true, "emit", string(f.Emit))
	add(true, "late", string(f.Late))
	add(f.AllowedLateness > 0, "allowed_lateness", flowdef.FormatMillis(f.AllowedLateness))
	add(f.KeepLate > 0, "keep_late", flowdef.FormatMillis(f.KeepLate))
	add(f.Backfill.All, "backfill", "all")
	add(f.Backfill.Duration > 0, "backfill", flowdef.FormatMillis(f.Backfill.Duration))
	add(f.Keep > 0, "keep", flowdef.FormatMillis(f.Keep))
	add(f.Lookback != flowdef.DefaultLookback, "lookback", flowdef.FormatMillis(f.Lookback))
	add(f.Executor != "", "executor", string(f.Executor))
	add(f.Limit > 0, "limit", strconv.FormatInt(f.Limit, 10))
	if f.Session != nil {
		add(true, "session", sessionText(f.Session))
	}
	add(f.MaxGroups > 0, "max_groups", strconv.FormatInt(f.MaxGroups, 10))
	rules := make([]string, len(f.Relabel))
	for i, r := range f.Relabel {
		rules[i] = r.String()
	}
	add(len(rules) > 0, "relabel", "["+strings.Join(rules, ", ")+"]")
	add(f.Approximate > 0, "approximate", FormatValue(f.Approximate))
	return keys
}

// triggerText is a trigger as a definition has it.
func triggerText(t flowdef.Trigger) string {
	switch {
	case t.Interval > 0:
		return "{interval: " + flowdef.FormatMillis(t.Interval) + "}"
	case t.Cron != "":
		return "{cron: " + strconv.Quote(t.Cron) + "}"
	case t.Sequences > 0:
		return fmt.Sprintf("{sequences: %d}", t.Sequences)
	case t.Per != "":
		return fmt.Sprintf("{samples: %d, per: %s}", t.Samples, t.Per)
	default:
		return fmt.Sprintf("{samples: %d}", t.Samples)
	}
}

// sessionText is what makes sessions, as a definition has it. A value that the aggregation
// says is no key.
func sessionText(r *session.Rule) string {
	parts := []string{"gap: " + flowdef.FormatMillis(r.Gap), "max: " + flowdef.FormatMillis(r.Max)}
	if when := r.When.String(); when != "" {
		parts = append(parts, "when: "+strconv.Quote(when))
	}
	switch r.Value {
	case session.First, session.Last, session.Increase:
		parts = append(parts, "value: "+string(r.Value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// keyValues is Keys by key.
func keyValues(f *flowdef.Flow) map[string]string {
	out := map[string]string{}
	for _, k := range Keys(f) {
		out[k.Key] = k.Value
	}
	return out
}
