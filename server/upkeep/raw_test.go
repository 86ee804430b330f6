package upkeep

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"laminar/sqlstore/raw"
)

// fakeRaw is a store of which only the age and size matter.
type fakeRaw struct {
	storage raw.StorageStatus
	sealed  []raw.SealOptions
	keep    []time.Duration
	cleared int
}

func (f *fakeRaw) Storage(context.Context) (raw.StorageStatus, error) { return f.storage, nil }

func (f *fakeRaw) Seal(_ context.Context, opts raw.SealOptions) (raw.SealReport, error) {
	f.sealed = append(f.sealed, opts)
	return raw.SealReport{}, nil
}

func (f *fakeRaw) Retain(_ context.Context, keep time.Duration) (raw.RetainReport, error) {
	f.keep = append(f.keep, keep)
	return raw.RetainReport{}, nil
}

func (f *fakeRaw) Retention(context.Context) (raw.Retention, error) { return raw.Retention{}, nil }

func (f *fakeRaw) DropUnused(context.Context) (raw.DropReport, error) {
	f.cleared++
	return raw.DropReport{}, nil
}

// TestWhenToSeal: by age or by size, and by size without waiting for flows.
func TestWhenToSeal(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, c := range []struct {
		name  string
		age   time.Duration
		bytes int64
		want  bool
		force bool
	}{
		{"young and small", time.Hour, 1 << 20, false, false},
		{"old", 2 * time.Hour, 1 << 20, true, false},
		{"young and large", time.Minute, 8 << 30, true, true},
		{"old and large", 3 * time.Hour, 9 << 30, true, true},
	} {
		store := &fakeRaw{}
		store.storage.CurrentSince = now.Add(-c.age).UnixMilli()
		store.storage.HotBytes = c.bytes
		k := &rawKeeper{when: Seal{After: 2 * time.Hour, MaxWait: time.Minute, MaxHot: 8 << 30}, store: store, log: slog.New(slog.DiscardHandler)}
		if err := k.seal(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if got := len(store.sealed) == 1; got != c.want {
			t.Errorf("%s: sealed is %v, want %v", c.name, got, c.want)
			continue
		}
		if c.want && (store.sealed[0].Wait != k.when.MaxWait || store.sealed[0].Force != c.force) {
			t.Errorf("%s: sealed with %+v, want force %v", c.name, store.sealed[0], c.force)
		}
	}
}

// TestRetention: samples are given up only when there is a retention.
func TestRetention(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	store := &fakeRaw{}
	k := &rawKeeper{retention: 15 * 24 * time.Hour, store: store, retainer: store, log: slog.New(slog.DiscardHandler)}
	if err := k.retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	k.retention = 0
	if err := k.retain(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if want := 15 * 24 * time.Hour; len(store.keep) != 1 || store.keep[0] != want || store.cleared != 1 {
		t.Errorf("gave up samples older than %v and cleared away %d times, want %s once and once", store.keep, store.cleared, want)
	}
}
