package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"laminar/flownode/alert"
	"laminar/sequence"
	"laminar/server/promapi"
	"laminar/sqlstore"
)

// Rules shows flows as rules, to those who ask by Prometheus's API.
type Rules struct{ Readers *sqlstore.Readers }

// Rules lists the flows, by group.
func (r Rules) Rules(ctx context.Context) ([]promapi.Rule, error) {
	list, err := r.Readers.Catalogue.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]promapi.Rule, 0, len(list))
	for i := range list {
		f := &list[i]
		rule := promapi.Rule{
			Group: f.Group, Interval: time.Duration(f.Def.Every) * time.Millisecond, Name: f.Def.Name, Title: f.Def.Title(), Query: f.Def.PromQL,
			Labels: map[string]string{}, Health: "ok", At: time.UnixMilli(f.UpdatedAt),
		}
		for _, l := range f.Def.StaticLabels {
			rule.Labels[l.Name] = l.Value
		}
		switch {
		case f.Stalled != "":
			rule.Health, rule.Error = "err", f.Stalled
		case f.Error != "":
			rule.Health, rule.Error = "err", f.Error
		case f.EmittedUntil == sequence.NoTime:
			rule.Health = "unknown" // there has been no window
		}
		if a := f.Def.Alert; a != nil {
			rule.Alerting, rule.Name, rule.Labels, rule.Annotations = true, a.Name, alert.Texts(a.Labels), alert.Texts(a.Annotations)
			rule.For, rule.KeepFiringFor = time.Duration(a.For)*time.Millisecond, time.Duration(a.KeepFiringFor)*time.Millisecond
		}
		out = append(out, rule)
	}
	slices.SortStableFunc(out, func(a, b promapi.Rule) int { return cmp.Compare(a.Group, b.Group) })
	return out, nil
}

// Alerts lists what is pending or fires.
func (r Rules) Alerts(ctx context.Context) ([]promapi.Alert, error) {
	list, err := r.Readers.Alerts.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []promapi.Alert
	for _, l := range list {
		if l.Phase != alert.Pending && l.Phase != alert.Firing {
			continue
		}
		one := promapi.Alert{
			Rule: l.Flow, Labels: l.Labels, Annotations: l.Annotations, State: string(l.Phase), ActiveAt: time.UnixMilli(l.ActiveAt), Value: l.Value,
		}
		if l.KeptSince > 0 {
			one.KeptSince = time.UnixMilli(l.KeptSince)
		}
		out = append(out, one)
	}
	return out, nil
}

var _ promapi.Ruler = Rules{}
