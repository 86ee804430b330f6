package torture

import (
	"slices"
	"time"

	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// aheadAtMost is how far ahead of the clock samples may be, ms.
const aheadAtMost = 600_000

// wanted is those samples of an operation that the ingester takes, of one region
// where it is not 0.
func (sim *simulation) wanted(o op, region int) points {
	var ps points
	for _, p := range o.Samples {
		at := origin + p.t
		if at >= sim.model.earliest && at <= sim.now()+aheadAtMost && (region == 0 || sim.model.series[p.series].region == sequence.Region(region)) {
			ps = append(ps, p)
		}
	}
	return ps
}

// send delivers the samples of an operation.
func (sim *simulation) send(o op) {
	ps := sim.wanted(o, 0)
	if len(ps) == 0 {
		return
	}
	if slices.ContainsFunc(sim.stuck, func(s *sending) bool {
		return slices.ContainsFunc(ps, func(p point) bool { return sim.model.series[p.series].region == s.region })
	}) {
		sim.release()
	}
	sim.driver.send(o, ps)
}

// deliver sends samples, with the cut of the operation, and waits for the
// acknowledgement.
func (sim *simulation) deliver(o op, ps points) {
	in := sim.ingesters[o.Ingester]
	in.arm(o.Region, o.Cut)
	s := sim.begin(in, 0, ps)
	if err := <-s.ended; err != nil {
		sim.t.Fatalf("send: %v", err)
	}
	in.arm(0, "")
	sim.model.acknowledged(ps, sim.position())
}

// position reads where the regions are. All that landed since it was last called is
// acknowledged next.
func (sim *simulation) position() sequence.Vector {
	vec, err := sim.store.Reader.CurrentVector(sim.t.ctx)
	sim.must(err)
	sim.model.moved(vec)
	return vec
}

// hang stops a flush of one region: before its commit, or with the commit on
// its way and the connection gone.
func (sim *simulation) hang(o op) {
	sim.driver.join()
	sim.release()
	ps := sim.wanted(o, o.Region)
	if len(ps) == 0 {
		return
	}
	in := sim.ingesters[o.Ingester]
	in.mu.Lock()
	in.region = sequence.Region(o.Region)
	if o.Do == doPause {
		sim.gate = make(chan struct{})
		in.gate = sim.gate
	} else {
		in.armed = sqltest.CutHoldCommit
		sim.limbo = in
	}
	in.mu.Unlock()
	s := sim.begin(in, in.region, ps)
	select {
	case <-in.held:
		sim.stuck = append(sim.stuck, s)
	case err := <-s.ended: // all of it was there already
		sim.must(err)
		sim.unhang()
	case <-time.After(patience):
		sim.t.Fatal("a flush does not come to its commit")
	}
}

// unhang lets commits go on.
func (sim *simulation) unhang() {
	if sim.gate != nil {
		close(sim.gate)
		sim.gate = nil
	}
	if sim.limbo != nil {
		sim.limbo.proxy.Release()
		sim.limbo = nil
	}
	for _, in := range sim.ingesters {
		in.mu.Lock()
		in.gate, in.armed = nil, sqltest.CutNever
		in.mu.Unlock()
	}
}

// queueFor is how long a flush that must wait for another is watched not to.
const queueFor = 30 * time.Millisecond

// queue delivers to a region while a flush of it is paused: it must wait. What
// is in limbo is sent again meanwhile, so it is not clear who would be next.
func (sim *simulation) queue(o op) {
	if sim.gate == nil || len(sim.stuck) != 1 || sim.stuck[0].ingester == sim.ingesters[o.Ingester] {
		sim.send(op{Do: doSend, Ingester: o.Ingester, Samples: o.Samples})
		return
	}
	first := sim.stuck[0]
	ps := sim.wanted(o, int(first.region))
	if len(ps) == 0 {
		return
	}
	s := sim.begin(sim.ingesters[o.Ingester], first.region, ps)
	sim.stuck = append(sim.stuck, s)
	select {
	case err := <-s.ended:
		sim.t.broken("I1", "a flush of region %d was acknowledged (%v) while an earlier one of the region had not committed", first.region, err)
	case <-time.After(queueFor):
	}
}

// release lets everything that is stuck come to its end.
func (sim *simulation) release() {
	if len(sim.stuck) == 0 {
		return
	}
	before := sim.model.vector.Clone()
	sim.unhang()
	stuck := sim.stuck
	sim.stuck = nil
	for _, s := range stuck {
		select {
		case err := <-s.ended:
			sim.must(err)
		case <-time.After(patience):
			sim.t.Fatal("a delivery does not come to its end")
		}
	}
	after := sim.position()
	for i, s := range stuck {
		seqs := after
		if i == 0 && len(stuck) > 1 { // the first was first to have the lock
			seqs = sequence.Vector{s.region: min(before.At(s.region)+1, after.At(s.region))}
		}
		sim.model.acknowledged(s.points, seqs)
	}
}

// sending is a delivery that goes on beside the history.
type sending struct {
	ingester *ingester
	region   sequence.Region
	points   points
	ended    chan error
}

// begin sends beside the history.
func (sim *simulation) begin(in *ingester, region sequence.Region, ps points) *sending {
	s := &sending{in, region, ps, make(chan error, 1)}
	body, err := encode(sim.model.series, ps)
	if err != nil {
		sim.t.Fatal(err)
	}
	go func() { s.ended <- in.deliver(body) }()
	return s
}
