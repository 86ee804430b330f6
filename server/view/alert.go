package view

import (
	"cmp"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/alert"
	"laminar/flownode/flowdef"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/flowstore"
)

// Alert is an alert as it stands: `alert list` and `status`.
type Alert struct {
	Name         string            `json:"alertname"`
	State        string            `json:"state"` // firing, pending or resolved
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	Value        *float64          `json:"value"` // null for what JSON has no number for
	ActiveSince  string            `json:"active_since"`
	FiringSince  string            `json:"firing_since,omitempty"`
	ResolvedAt   string            `json:"resolved_at,omitempty"`
	KeptSince    string            `json:"kept_firing_since,omitempty"` // gone, and firing on for keep_firing_for
	Told         string            `json:"told_at,omitempty"`           // when an Alertmanager last took it
	AsOf         string            `json:"as_of"`                       // end of the last window that was evaluated
	Flow         string            `json:"flow"`
	LabelsAsText string            `json:"-"`
	ValueAsText  string            `json:"-"`
}

// NewAlert shows an alert.
func NewAlert(l alertstore.Listed) Alert {
	return Alert{
		Name: l.Name, State: string(l.Phase), Labels: l.Labels.Map(), Annotations: l.Annotations.Map(), Value: number(l.Value),
		ActiveSince: FormatTime(l.ActiveAt), FiringSince: ifAny(l.FiredAt), ResolvedAt: ifAny(l.ResolvedAt), KeptSince: ifAny(l.KeptSince),
		Told: ifAny(l.ToldAt), AsOf: FormatTime(l.AsOf), Flow: l.Flow, LabelsAsText: unnamed(l.Labels), ValueAsText: FormatValue(l.Value),
	}
}

// Alerts is a list of alerts.
type Alerts struct {
	Alerts []Alert `json:"alerts"`
}

// AlertRule is what an alerting rule makes of the rows of its flow, and its alerts as
// they stand: `flow show`.
type AlertRule struct {
	Name          string            `json:"alertname"`
	For           string            `json:"for"`
	KeepFiringFor string            `json:"keep_firing_for"`
	Limit         int               `json:"limit,omitempty"` // of active label sets
	Labels        map[string]string `json:"labels"`          // templates
	Annotations   map[string]string `json:"annotations"`     // the same
	Alerts        []Alert           `json:"alerts"`
}

// NewAlertRule shows the alerting rule of a flow, with those of the alerts that are its
// own; nil where the flow is none.
func NewAlertRule(f flowstore.FlowStatus, alerts []alertstore.Listed) *AlertRule {
	rule := f.Def.Alert
	if rule == nil {
		return nil
	}
	v := &AlertRule{
		Name: rule.Name, For: flowdef.FormatMillis(rule.For), KeepFiringFor: flowdef.FormatMillis(rule.KeepFiringFor), Limit: rule.Limit,
		Labels: alert.Texts(rule.Labels), Annotations: alert.Texts(rule.Annotations), Alerts: []Alert{},
	}
	for _, l := range alerts {
		if l.Flow == f.Def.Title() {
			v.Alerts = append(v.Alerts, NewAlert(l))
		}
	}
	return v
}

// Since is when the alert came into the state in which it is.
func (a Alert) Since() string { return cmp.Or(a.ResolvedAt, a.FiringSince, a.ActiveSince) }

// AlertChange is one change of an alert: `alert history`.
type AlertChange struct {
	WindowEnd    string            `json:"window_end"`
	Name         string            `json:"alertname"`
	State        string            `json:"state"` // since then
	Reason       string            `json:"reason"`
	Labels       map[string]string `json:"labels"`
	Value        *float64          `json:"value"`
	Corrected    bool              `json:"corrected"` // late samples showed it
	Recorded     string            `json:"recorded_at"`
	Withdrawn    string            `json:"withdrawn_at,omitempty"` // late samples showed that it never was so
	Flow         string            `json:"flow"`
	LabelsAsText string            `json:"-"`
}

// NewAlertChange shows a change.
func NewAlertChange(r alertstore.Recorded) AlertChange {
	return AlertChange{
		WindowEnd: FormatTime(r.At), Name: r.Name, State: string(r.Phase), Reason: string(r.Reason), Labels: r.Labels.Map(), Value: number(r.Value),
		Corrected: r.Corrected, Recorded: FormatTime(r.Recorded), Withdrawn: ifAny(r.Withdrawn), Flow: r.Flow, LabelsAsText: unnamed(r.Labels),
	}
}

// unnamed is an alert's labels without its name, which has a column of its own.
func unnamed(lset labels.Labels) string {
	return labels.NewBuilder(lset).Del("alertname").Labels().String()
}

// number is a value for JSON.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// ifAny is a time, "" for none.
func ifAny(t int64) string {
	if t < 0 {
		return ""
	}
	return FormatTime(t)
}
