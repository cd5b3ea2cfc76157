package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Auto stands for the interval that the coordinator chooses itself.
const Auto = -2

// ParseInterval reads a number of seconds, or auto.
func ParseInterval(text string) (int, error) {
	if text == "auto" {
		return Auto, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no number of seconds, nor auto", text)
	}
	return n, nil
}

// ParseTime reads a length of time: a number of seconds, or one with a unit
// (90m, 36h, 7d).
func ParseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if n, ferr := strconv.ParseFloat(text, 64); ferr == nil {
		d, err = time.Duration(n*float64(time.Second)), nil
	} else if days, ok := strings.CutSuffix(text, "d"); ok {
		n, derr := strconv.ParseFloat(days, 64)
		d, err = time.Duration(n*24*float64(time.Hour)), derr
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no length of time: a number of seconds, or with a unit as in 90m, 36h, 7d", text)
	}
	return d, nil
}
