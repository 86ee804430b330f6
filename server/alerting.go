package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/alert/expand"
	"laminar/flownode/alertround"
	"laminar/query"
	"laminar/server/notify"
	"laminar/sqlstore"
)

// Alerting says who is told of alerts, and how they are told.
type Alerting struct {
	ConfigFile    string   // in the form of prometheus.yml; "" for none
	Alertmanagers []string // URLs, beside those of the file
	ExternalURL   string   // where links lead; "" for nowhere
	ResendDelay   time.Duration
	MaxAge        time.Duration
	Corrections   bool // tell of what late samples find in the past, too
}

// Config reads what is to be told to whom. Nobody need be there.
func (a *Alerting) Config(version string) (notify.Config, error) {
	cfg := notify.Config{ResendDelay: a.ResendDelay, MaxAge: a.MaxAge, Version: version}
	if a.ConfigFile != "" {
		if err := cfg.Read(a.ConfigFile); err != nil {
			return cfg, fmt.Errorf("alerting.config_file: %w", err)
		}
	}
	more, err := notify.At(a.Alertmanagers)
	if err != nil {
		return cfg, fmt.Errorf("alerting.alertmanagers: %w", err)
	}
	cfg.Alertmanagers = append(cfg.Alertmanagers, more...)
	if a.ExternalURL != "" {
		if cfg.ExternalURL, err = url.Parse(strings.TrimSuffix(a.ExternalURL, "/")); err != nil || cfg.ExternalURL.Host == "" {
			return cfg, fmt.Errorf("alerting.external_url is %q: want a URL", a.ExternalURL)
		}
	}
	return cfg, nil
}

// newAlerting makes what evaluates alerting rules and what tells of their alerts; the
// second is nil where nobody is to be told. queries, which may be nil, answers queries
// in templates.
func newAlerting(c Config, store *sqlstore.Store, queries *query.Queries, log *slog.Logger, reg prometheus.Registerer) (*alertround.Machine, *notify.Sender, error) {
	cfg, err := c.Alerting.Config(c.Version)
	if err != nil {
		return nil, nil, err
	}
	external := map[string]string{}
	cfg.ExternalLabels.Range(func(l labels.Label) { external[l.Name] = l.Value })
	machine := &alertround.Machine{
		Stored: store.Alerts, Rows: store.Results, Log: log,
		Expand: &expand.Expander{ExternalLabels: external, ExternalURL: cfg.ExternalURL, Query: templateQuery(queries)},
		Tell:   len(cfg.Alertmanagers) > 0, Past: c.Alerting.Corrections,
	}
	if !machine.Tell {
		return machine, nil, nil
	}
	sender, err := notify.New(cfg, store.Alerts, log, reg)
	return machine, sender, err
}

// templateQueryTimeout bounds a query in a template: a round waits for it.
const templateQueryTimeout = 5 * time.Second

// templateQuery answers the function query of templates, by what is stored when the
// template is expanded.
func templateQuery(queries *query.Queries) expand.Query {
	return func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
		if queries == nil {
			return nil, errors.New("queries are off (query.enabled)")
		}
		ctx, cancel := context.WithTimeout(ctx, templateQueryTimeout)
		defer cancel()
		session := queries.Session()
		defer session.Close()
		q, err := session.Instant(ctx, nil, expr, at)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		res := q.Exec(ctx)
		if res.Err != nil {
			return nil, res.Err
		}
		switch v := res.Value.(type) {
		case promql.Vector:
			return append(promql.Vector(nil), v...), nil // of the query, which is closed now
		case promql.Scalar:
			return promql.Vector{{T: v.T, F: v.V, Metric: labels.EmptyLabels()}}, nil
		default:
			return nil, fmt.Errorf("%s is neither a vector nor a number", expr)
		}
	}
}
