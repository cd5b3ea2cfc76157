package cli

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]time.Duration{"90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "90m": 90 * time.Minute,
		"36h": 36 * time.Hour, "7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour} {
		if got, err := ParseTime(text); got != want || err != nil {
			t.Errorf("ParseTime(%q) = %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "x", "d", "-1", "0", "NaN", "1x", "1e300"} {
		if got, err := ParseTime(bad); err == nil {
			t.Errorf("ParseTime(%q) = %v", bad, got)
		}
	}
}

func TestParseInterval(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "30": 30, "auto": Auto} {
		if got, err := ParseInterval(text); got != want || err != nil {
			t.Errorf("ParseInterval(%q) = %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "-1", "-2", "1.5", "AUTO", "x"} {
		if got, err := ParseInterval(bad); err == nil {
			t.Errorf("ParseInterval(%q) = %v", bad, got)
		}
	}
}
