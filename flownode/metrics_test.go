package flownode

import (
	"errors"
	"reflect"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestEveryMetricIsShownAndForgotten holds that every metric is registered, and that
// what is shown of a flow goes when the flow does, whichever metrics are added.
func TestEveryMetricIsShownAndForgotten(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	metrics, byFlow := 0, 0
	fields := reflect.ValueOf(m).Elem()
	for i := range fields.NumField() {
		name, field := fields.Type().Field(i).Name, fields.Field(i)
		c, ok := reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Interface().(prometheus.Collector)
		if !ok {
			continue
		}
		metrics++
		var known prometheus.AlreadyRegisteredError
		if err := reg.Register(c); !errors.As(err, &known) {
			t.Errorf("%s is not registered", name)
		}
		if v, ok := c.(*prometheus.GaugeVec); ok {
			byFlow++
			one, err := v.GetMetricWithLabelValues("f")
			if err != nil { // which has one more
				one = v.WithLabelValues("f", "other")
			}
			one.Set(1)
			m.forget("f")
			if n := testutil.CollectAndCount(v); n != 0 {
				t.Errorf("%s still shows a flow that is gone", name)
			}
		}
	}
	if metrics < 15 || byFlow < 5 {
		t.Errorf("%d metrics, %d of them by flow: too few were looked at", metrics, byFlow)
	}
}
