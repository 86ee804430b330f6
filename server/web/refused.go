package web

import "github.com/prometheus/client_golang/prometheus"

// refused counts requests that did not get in. Each remote may be one that guesses, or
// a sender whose password has changed.
type refused struct {
	password prometheus.Counter // a wrong one, or no such user
	token    prometheus.Counter // no such token
	none     prometheus.Counter // nothing that lets in was sent
	often    prometheus.Counter // not looked at: the remote has failed too often
	scope    prometheus.Counter // let in, but not to this path
	host     prometheus.Counter // under a name that another website may have, where no one logs in
}

// newRefused makes the counters. reg is nil where nobody looks at them.
func newRefused(reg prometheus.Registerer) refused {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "laminar", Subsystem: "http", Name: "refused_requests_total",
		Help: "Requests that were not let in, by reason: wrong password, unknown token, no login at all, not looked at because the remote has failed too often, a login without the scope, a name that another website may have.",
	}, []string{"reason"})
	if reg != nil {
		reg.MustRegister(all)
	}
	return refused{
		password: all.WithLabelValues("password"), token: all.WithLabelValues("token"), none: all.WithLabelValues("no_login"),
		often: all.WithLabelValues("too_many"), scope: all.WithLabelValues("scope"),
		host: all.WithLabelValues("host"),
	}
}
