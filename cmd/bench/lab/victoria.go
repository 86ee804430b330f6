package lab

import "context"

// Victoria is Debian's single-node VictoriaMetrics.
type Victoria struct{ *Process }

// StartVictoria starts VictoriaMetrics on a directory and waits until it is ready.
func (l *Lab) StartVictoria(ctx context.Context, dir string) (*Victoria, error) {
	p, err := startProcess(l.Dir, "victoria-metrics", l.Tools.Victoria, nil, func(address string) []string {
		return []string{"-storageDataPath=" + dir, "-httpListenAddr=" + address, "-retentionPeriod=1", "-loggerLevel=WARN"}
	})
	if err != nil {
		return nil, err
	}
	if _, err := p.AwaitReady(ctx, "/health"); err != nil {
		p.Kill()
		return nil, err
	}
	return &Victoria{p}, nil
}

// WriteURL is where it takes remote write.
func (v *Victoria) WriteURL() string { return v.URL("/api/v1/write") }

// Taken is how many rows it has inserted since its start.
func (v *Victoria) Taken(ctx context.Context) (float64, error) {
	m, err := v.Metrics(ctx)
	return m["vm_rows_inserted_total"], err
}
