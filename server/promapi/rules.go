package promapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/query"
)

// Ruler knows the flows, which are rules to those who ask here.
type Ruler interface {
	// Rules lists all flows, those of one group one after the other.
	Rules(ctx context.Context) ([]Rule, error)
	// Alerts lists the alerts that are pending or fire.
	Alerts(ctx context.Context) ([]Alert, error)
}

// Rule is a flow as a rule.
type Rule struct {
	Group    string
	Interval time.Duration
	Name     string // of the record, or of the alert
	Title    string // of the flow: alerts name it
	Query    string
	Labels   map[string]string
	Health   string // ok, err or unknown
	Error    string // why the health is err
	At       time.Time

	Alerting      bool
	For           time.Duration
	KeepFiringFor time.Duration
	Annotations   map[string]string
}

// Alert is an alert that is pending or fires.
type Alert struct {
	Rule        string // title of the rule's flow
	Labels      labels.Labels
	Annotations labels.Labels
	State       string // pending or firing
	ActiveAt    time.Time
	KeptSince   time.Time // zero while the expression has it
	Value       float64
}

// rulePages answers /rules and /alerts.
type rulePages struct{ *core }

// The JSON forms are Prometheus's.
type (
	ruleGroup struct {
		Name           string    `json:"name"`
		File           string    `json:"file"`
		Rules          []any     `json:"rules"`
		Interval       float64   `json:"interval"`
		Limit          int       `json:"limit"`
		EvaluationTime float64   `json:"evaluationTime"`
		LastEvaluation time.Time `json:"lastEvaluation"`
	}
	recordingRule struct {
		Name           string            `json:"name"`
		Query          string            `json:"query"`
		Labels         map[string]string `json:"labels"`
		Health         string            `json:"health"`
		LastError      string            `json:"lastError,omitempty"`
		EvaluationTime float64           `json:"evaluationTime"`
		LastEvaluation time.Time         `json:"lastEvaluation"`
		Type           string            `json:"type"`
	}
	alertingRule struct {
		State          string            `json:"state"`
		Name           string            `json:"name"`
		Query          string            `json:"query"`
		Duration       float64           `json:"duration"`
		KeepFiringFor  float64           `json:"keepFiringFor"`
		Labels         map[string]string `json:"labels"`
		Annotations    map[string]string `json:"annotations"`
		Alerts         []activeAlert     `json:"alerts"`
		Health         string            `json:"health"`
		LastError      string            `json:"lastError,omitempty"`
		EvaluationTime float64           `json:"evaluationTime"`
		LastEvaluation time.Time         `json:"lastEvaluation"`
		Type           string            `json:"type"`
	}
	activeAlert struct {
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
		State           string            `json:"state"`
		ActiveAt        time.Time         `json:"activeAt"`
		KeepFiringSince *time.Time        `json:"keepFiringSince,omitempty"`
		Value           string            `json:"value"`
	}
)

// alerts answers /alerts: what is pending or fires.
func (a rulePages) alerts(r *http.Request) answer {
	list, err := a.cfg.Rules.Alerts(r.Context())
	if err != nil {
		return answer{err: a.failed(r, &query.StorageError{Err: err})}
	}
	return answer{data: map[string]any{"alerts": active(list, nil)}}
}

// active is the alerts of a rule, of all rules for nil.
func active(list []Alert, of *Rule) []activeAlert {
	out := []activeAlert{}
	for _, l := range list {
		if of != nil && l.Rule != of.Title {
			continue
		}
		one := activeAlert{
			Labels: l.Labels.Map(), Annotations: l.Annotations.Map(), State: l.State, ActiveAt: l.ActiveAt.UTC(),
			Value: strconv.FormatFloat(l.Value, 'e', -1, 64),
		}
		if !l.KeptSince.IsZero() {
			since := l.KeptSince.UTC()
			one.KeepFiringSince = &since
		}
		out = append(out, one)
	}
	return out
}

// rules answers /rules: flows as recording rules, and alerting rules with their alerts.
func (a rulePages) rules(r *http.Request) answer {
	kind := strings.ToLower(r.FormValue("type"))
	if !slices.Contains([]string{"", "alert", "record"}, kind) {
		return refuseParameter("type", fmt.Errorf("not supported value %q", kind))
	}
	without := false
	if text := r.FormValue("exclude_alerts"); text != "" {
		var err error
		if without, err = strconv.ParseBool(text); err != nil {
			return refuseParameter("exclude_alerts", fmt.Errorf("error converting exclude_alerts: %w", err))
		}
	}
	rules, err := a.cfg.Rules.Rules(r.Context())
	var alerts []Alert
	if err == nil && kind != "record" {
		alerts, err = a.cfg.Rules.Alerts(r.Context())
	}
	if err != nil {
		return answer{err: a.failed(r, &query.StorageError{Err: err})}
	}
	names, groups := r.Form["rule_name[]"], r.Form["rule_group[]"]
	out := []*ruleGroup{}
	for i := range rules {
		rule := &rules[i]
		if kind != "" && (kind == "alert") != rule.Alerting ||
			len(names) > 0 && !slices.Contains(names, rule.Name) || len(groups) > 0 && !slices.Contains(groups, rule.Group) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Name != rule.Group {
			out = append(out, &ruleGroup{Name: rule.Group, Interval: rule.Interval.Seconds()})
		}
		group := out[len(out)-1]
		if rule.At.After(group.LastEvaluation) {
			group.LastEvaluation = rule.At.UTC()
		}
		group.Rules = append(group.Rules, shownRule(rule, alerts, without))
	}
	return answer{data: map[string]any{"groups": out}}
}

// shownRule is a rule in its JSON form.
func shownRule(rule *Rule, alerts []Alert, without bool) any {
	if !rule.Alerting {
		return recordingRule{
			Name: rule.Name, Query: rule.Query, Labels: rule.Labels, Health: rule.Health, LastError: rule.Error, LastEvaluation: rule.At.UTC(), Type: "recording",
		}
	}
	own := active(alerts, rule)
	state := "inactive"
	for _, l := range own {
		if state != "firing" {
			state = l.State
		}
	}
	if without {
		own = nil
	}
	return alertingRule{
		State: state, Name: rule.Name, Query: rule.Query, Duration: rule.For.Seconds(), KeepFiringFor: rule.KeepFiringFor.Seconds(),
		Labels: rule.Labels, Annotations: rule.Annotations, Alerts: own, Health: rule.Health, LastError: rule.Error, LastEvaluation: rule.At.UTC(), Type: "alerting",
	}
}
