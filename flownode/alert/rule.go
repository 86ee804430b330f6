package alert

// Rule is an alerting rule without its expression, which is a flow's. It is not
// changed after it was made and may be read by several goroutines at once.
type Rule struct {
	Name          string     `json:"name"`
	For           int64      `json:"for,omitempty"`             // ms that a label set must be there before it fires
	KeepFiringFor int64      `json:"keep_firing_for,omitempty"` // ms that it goes on firing after it is gone
	Limit         int        `json:"limit,omitempty"`           // of active label sets; 0 for none
	Labels        []Template `json:"labels,omitempty"`          // added to the result's labels, by name
	Annotations   []Template `json:"annotations,omitempty"`     // by name
}

// Template is the name of a label or annotation, and the text that it is made from.
type Template struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Texts is the texts of templates by their names.
func Texts(list []Template) map[string]string {
	out := make(map[string]string, len(list))
	for _, t := range list {
		out[t.Name] = t.Text
	}
	return out
}

// ResolvedRetention is how long a resolved alert stays in the state, ms, so that
// Alertmanagers which missed that it is over are told again.
const ResolvedRetention = 15 * 60 * 1000
