package ownapi

import (
	"net/http"

	"laminar/server/view"
	"laminar/sqlstore"
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
