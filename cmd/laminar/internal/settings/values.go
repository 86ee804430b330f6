package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"laminar/server/view"
)

// value reads and spells one kind of setting. Set replaces what was there.
type value interface {
	String() string
	Set(text string) error
	Type() string // for people, in the help and the table of settings
}

type textValue string

func (v *textValue) String() string        { return string(*v) }
func (v *textValue) Set(text string) error { *v = textValue(text); return nil }
func (v *textValue) Type() string          { return "string" }

type boolValue bool

func (v *boolValue) String() string { return strconv.FormatBool(bool(*v)) }
func (v *boolValue) Type() string   { return "bool" }

func (v *boolValue) Set(text string) error {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*v = boolValue(b)
	return nil
}

type intValue int

func (v *intValue) String() string { return strconv.Itoa(int(*v)) }
func (v *intValue) Type() string   { return "int" }

func (v *intValue) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*v = intValue(n)
	return nil
}

// durationValue is spelled as Prometheus does: 30s, 1h30m, 15d.
type durationValue time.Duration

func (v *durationValue) String() string { return view.FormatDuration(time.Duration(*v)) }
func (v *durationValue) Type() string   { return "duration" }

func (v *durationValue) Set(text string) error {
	d, err := view.ParseDuration(text)
	if err != nil {
		return err
	}
	*v = durationValue(d)
	return nil
}

// bytesValue is a size: a number, or one with a unit behind it, of 1024 (KiB,
// MiB, GiB, TiB) or of 1000 (kB, MB, GB, TB). It is printed in units of 1024.
type bytesValue int64

func (v *bytesValue) Type() string { return "bytes" }

func (v *bytesValue) String() string {
	for _, u := range view.ByteUnits {
		if n := int64(*v); u.Size > 1 && n >= u.Size && n%u.Size == 0 {
			return strconv.FormatInt(n/u.Size, 10) + u.Name
		}
	}
	return strconv.FormatInt(int64(*v), 10)
}

// typedUnits are the units of sizes as people type them, in lower case. Those of
// one letter are of 1000, as Kubernetes reads them.
var typedUnits = map[string]float64{
	"": 1, "b": 1,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
}

func (v *bytesValue) Set(text string) error {
	number := strings.TrimRightFunc(strings.TrimSpace(text), unicode.IsLetter)
	unit := strings.ToLower(strings.TrimSpace(text)[len(number):])
	number = strings.TrimSpace(number)
	size, known := typedUnits[unit]
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || strings.Trim(number, "0123456789.") != "" || !known:
		return fmt.Errorf("%q is not a size: want a number of bytes, or one such as 32MiB, 1.5GiB or 1GB", text)
	case n*size >= 1<<62:
		return fmt.Errorf("%q is too large", text)
	case n*size != math.Trunc(n*size):
		return fmt.Errorf("%q is no whole number of bytes", text)
	}
	*v = bytesValue(n * size)
	return nil
}

// partValue is a part of the whole: 1% or 0.01.
type partValue float64

func (v *partValue) Type() string { return "part" }

// String spells the part in percent, without the last digits that the division
// by 100 makes up.
func (v *partValue) String() string {
	return strconv.FormatFloat(float64(*v)*100, 'g', 12, 64) + "%"
}

func (v *partValue) Set(text string) error {
	part, err := ParsePart(text)
	if err != nil {
		return err
	}
	*v = partValue(part)
	return nil
}

// ParsePart reads a part of the whole, 1% or 0.01, above 0 and at most all.
func ParsePart(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	part, err := strconv.ParseFloat(number, 64)
	if percent {
		part /= 100
	}
	if err != nil || !(part > 0 && part <= 1) {
		return 0, fmt.Errorf("%q is not a part: want 1%% or 0.01, above 0 and at most 100%%", text)
	}
	return part, nil
}

// listValue is words with commas between them.
type listValue []string

func (v *listValue) String() string { return strings.Join(*v, ",") }
func (v *listValue) Type() string   { return "strings" }

func (v *listValue) Set(text string) error {
	*v = nil
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*v = append(*v, word)
		}
	}
	return nil
}

// atLeast refuses a number below least.
func atLeast(key string, v value, least int64) error {
	var n, low int64
	switch v := v.(type) {
	case *intValue:
		n, low = int64(*v), least
	case *bytesValue:
		n, low = int64(*v), least
	case *durationValue:
		n, low = int64(*v), least
	default:
		return nil
	}
	if n >= low {
		return nil
	}
	want := strconv.FormatInt(low, 10)
	switch v.(type) {
	case *durationValue:
		want = view.FormatDuration(time.Duration(low))
	case *bytesValue:
		size := bytesValue(low)
		want = size.String()
	}
	return faultf("%s is %s: want %s at least", key, v, want)
}
