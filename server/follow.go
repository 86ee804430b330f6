package server

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/server/subscribe"
	"laminar/server/web"
	"laminar/sqlstore"
	"laminar/sqlstore/changes"
)

// ChangeStore is what subscriptions read of the store, as they ask for it.
type ChangeStore struct{ *changes.Store }

// Snapshot is Store.Snapshot.
func (s ChangeStore) Snapshot(ctx context.Context) (subscribe.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snap, nil
}

var _ subscribe.Store = ChangeStore{}

// besideCatchUps is how many connections there are for what is new, beside those for
// subscriptions that are behind.
const besideCatchUps = 2

// newHub makes what answers subscriptions, on connections of its own, which the host
// closes; nil where none are answered.
func newHub(ctx context.Context, c Config, h *host, log *slog.Logger, reg prometheus.Registerer) (*subscribe.Hub, error) {
	if c.Follow.MaxStreams == 0 {
		return nil, nil
	}
	var err error
	if h.followed, err = h.store.OpenReaders(ctx, subscribe.CatchUps+besideCatchUps); err != nil {
		return nil, err
	}
	return subscribe.New(subscribe.Config{
		Store: ChangeStore{h.followed.Changes}, MaxStreams: c.Follow.MaxStreams, Buffer: c.Follow.Buffer, WriteTimeout: c.Follow.WriteTimeout,
		Who: web.SenderOf, Log: log, Registerer: reg,
	}), nil
}

// listening passes on what other processes hint: commits and changes of the catalogue, to
// those who are there.
func listening(store *sqlstore.Store, node *flownode.Node, hub *subscribe.Hub) func(context.Context) error {
	committed, look, changed := func(sequence.Region, sequence.Seq) {}, []func(){}, func([]progress.FlowID) {}
	if node != nil {
		committed, look = node.Hint, append(look, node.Look)
	}
	if hub != nil {
		changed, look = hub.Changed, append(look, hub.Look)
	}
	hints := store.NewListener()
	return func(ctx context.Context) error {
		return hints.Run(ctx, committed, func() {
			for _, fn := range look {
				fn()
			}
		}, changed)
	}
}
