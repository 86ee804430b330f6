package flowfile

import (
	"maps"
	"slices"

	"laminar/flownode/flowfile/yamltext"

	"go.yaml.in/yaml/v3"
)

// Keys of rule groups that Prometheus does not have, and others who read its rule
// files do. Some of them can change nothing here and are taken; the others are
// refused with what to do.

// foreignKey is such a key. why says what to do about it, "" where it changes nothing
// here. But value is what it may have all the same.
type foreignKey struct{ value, why string }

var foreignGroupKeys = map[string]foreignKey{
	// Thanos asks several stores, of which some may not answer; here there is one.
	"partial_response_strategy": {},
	// Mimir, on request, evaluates at multiples of the interval; here they always are.
	"align_evaluation_time_on_interval": {},
	"eval_alignment":                    {}, // the same of VictoriaMetrics
	"evaluation_delay":                  {}, // Mimir's old name of query_offset
	"eval_delay":                        {}, // VictoriaMetrics's
	// VictoriaMetrics: how many rules at once, and what to log.
	"concurrency": {}, "debug": {}, "update_entries_limit": {},
	"source_tenants": {why: "there are no tenants here: take the key out, and select by a label in the expressions if one tells tenants apart"},
	"tenant":         {why: "there are no tenants here: take the key out, and select by a label in the expressions if one tells tenants apart"},
	"type":           {value: "prometheus", why: "only PromQL is evaluated here: keep this group where it is"},
	"eval_offset":    {value: "0s", why: "windows end at multiples of the interval: take the key out, or shift what is read with `offset` in the expressions"},
	"params":         {why: "expressions are evaluated here and not sent as queries: take the key out"},
	"headers":        {why: "expressions are evaluated here and not sent as queries: take the key out"},
	// Alerts of the group.
	"notifier_headers": {why: "it is not sent: take the key out"},
}

// foreignKeys is their names.
func foreignKeys() []string { return slices.Sorted(maps.Keys(foreignGroupKeys)) }

// foreign refuses those of a group that would change something.
func (p *checker) foreign(f fields, what string) {
	for _, key := range foreignKeys() {
		n, given := f[key]
		one := foreignGroupKeys[key]
		if !given || one.why == "" || yamltext.Empty(n) || n.Kind != yaml.ScalarNode && len(n.Content) == 0 ||
			n.Kind == yaml.ScalarNode && n.Value == one.value {
			continue
		}
		p.addf(n, "%s: %s: %s", what, key, one.why)
	}
}
