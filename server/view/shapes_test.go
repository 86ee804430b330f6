package view

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file of the shapes anew")

// TestShapes holds the JSON shapes against a file: scripts and other programs
// rely on their keys and types, so a change of either is a change that is looked
// at.
func TestShapes(t *testing.T) {
	const file = "../../testdata/view/shapes"
	var got strings.Builder
	for _, shape := range []any{&Definition{}, &Flow{}, &Applied{}, &Reloaded{}, &TestedFile{}, &Explained{}, &Job{}, &Status{}, &Sealed{}, &Verification{},
		&Refusal{}, &Installation{}, &Flows{}, &FlowPages{}, &Strip{}, &WindowKnown{},
		&RefillPlan{}, &Jobs{}, &JobProgress{}, &Alerts{}, &StateSeen{}, &StorageSeen{}, &Senders{}, &Ingest{}, &VerifyRuns{}} {
		value := reflect.ValueOf(shape).Elem()
		fill(t, value)
		text, err := json.MarshalIndent(shape, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(value.Type().Name() + " " + string(text) + "\n")
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the shapes differ from %s; go test ./server/view -rewrite writes it anew:\n%s", file, got.String())
	}
}

// fill gives every field a value that JSON does not leave out.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	default:
		t.Fatalf("a shape holds a %s", v.Type())
	}
}

// TestEmptyListsAreLists: a program that walks a list must not meet null.
func TestEmptyListsAreLists(t *testing.T) {
	for _, shape := range []any{NewStatus(sqlstore.Status{}, nil), NewSealed(raw.SealReport{})} {
		text, err := json.Marshal(shape)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "null") {
			t.Errorf("%T is %s", shape, text)
		}
	}
}

// TestUnknownTimes: a time that is not known is a dash, in every shape.
func TestUnknownTimes(t *testing.T) {
	j := NewJob(progress.Job{From: 1_700_000_000_250, To: 1_700_000_060_000, NextT: sequence.NoTime, StartedAt: sequence.NoTime})
	if j.From != "2023-11-14T22:13:20.25Z" || j.To != "2023-11-14T22:14:20Z" || j.DoneUpTo != None || j.Started != None {
		t.Errorf("job %+v", j)
	}
	if s := NewStorage(raw.StorageStatus{}); s.Earliest != None {
		t.Errorf("nothing was given up, but the earliest sample is from %q", s.Earliest)
	}
}
