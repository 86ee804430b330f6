package ownapi

import (
	"net/http"

	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
)

// pages answers about the installation.
type pages struct{ *core }

// installation answers what this process is, and what who asks may do.
func (a pages) installation(r *http.Request) (any, error) {
	members, err := a.cfg.Readers.Members.List(r.Context())
	if err != nil {
		return nil, err
	}
	heads, err := a.cfg.Readers.Catalogue.Heads(r.Context())
	if err != nil {
		return nil, err
	}
	storage, err := a.cfg.Readers.Storage(r.Context())
	if err != nil {
		return nil, err
	}
	_, leads := a.kept()
	return view.NewInstallation(view.Process{
		Version: a.cfg.Version, Name: sqlstore.ProcessName(), Parts: a.cfg.Parts, Leads: leads, Schema: a.cfg.Schema,
	}, a.cfg.May(r), members, len(heads), storage.Series, a.cfg.Now()), nil
}

// alerts answers /alerts.
func (a pages) alerts(r *http.Request) (any, error) {
	alerts, err := a.cfg.Readers.Alerts.List(r.Context())
	return view.Alerts{Alerts: view.Each(alerts, view.NewAlert)}, err
}

// status answers /status.
func (a pages) status(r *http.Request) (any, error) {
	st, err := a.cfg.Readers.Status(r.Context())
	if err != nil {
		return nil, err
	}
	jobs, err := a.cfg.Readers.Jobs.List(r.Context(), statusJobs)
	return view.NewStatus(st, jobs), err
}

// statusJobs is how many jobs the status has.
const statusJobs = 10

// How much of the raw data and its senders is listed.
const (
	sizedMetrics = 100
	mostSenders  = 100
	mostPairs    = 1000
)

// storage answers /storage.
func (a pages) storage(r *http.Request) (any, error) {
	ctx := r.Context()
	st, err := a.cfg.Readers.Storage(ctx)
	if err != nil {
		return nil, err
	}
	regions, err := a.cfg.Readers.Reader.Regions(ctx)
	if err != nil {
		return nil, err
	}
	generations, err := a.cfg.Readers.Census.Generations(ctx)
	if err != nil {
		return nil, err
	}
	retention, loss, err := a.cfg.Readers.Retention(ctx)
	if err != nil {
		return nil, err
	}
	var sizes []raw.MetricSize
	if err := a.stored(ctx, func(snap *flowstore.Stored) (err error) {
		sizes, err = snap.Sizes(ctx, sizedMetrics)
		return err
	}); err != nil {
		return nil, err
	}
	return view.StorageSeen{
		Raw: view.NewStorage(st), Regions: view.Each(regions, view.NewRegion), Generations: view.Each(generations, view.NewGeneration),
		Retention: view.NewRetention(retention, loss), Metrics: view.Each(sizes, view.NewMetricSize), MetricsMore: max(0, st.Metrics-int64(len(sizes))),
	}, nil
}

// ingest answers /ingest.
func (a pages) ingest(*http.Request) (any, error) { return a.cfg.Taken() }

// senders answers /senders.
func (a pages) senders(r *http.Request) (any, error) {
	list, err := a.cfg.Readers.Census.Senders(r.Context(), mostSenders)
	if err != nil {
		return nil, err
	}
	pairs, err := a.cfg.Readers.Senders.Elections(r.Context(), mostPairs)
	return view.NewSenders(list, pairs), err
}
