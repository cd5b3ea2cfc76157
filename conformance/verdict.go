package main

import (
	"fmt"
	"regexp"
	"strings"
)

// The lines that the suite's own runner knows.
var (
	goodLine    = regexp.MustCompile(`^\s*No [Ee]rrors\s*$`)
	skippedLine = regexp.MustCompile(`^\s*Test Skipped\s*$`)
	warningLine = regexp.MustCompile(`^(MPICH: |WARNING: |(Abort.*)?application called MPI_Abort)`)
	idleLine    = regexp.MustCompile(`(FORTRAN STOP)\s*$`)
)

// judge says what is wrong with a run, or "": the rules are those of the suite.
// check is the entry's resultTest, code the launcher's exit code.
func judge(check string, code int, output string) string {
	good, stray, warning := false, "", ""
	for _, line := range strings.Split(output, "\n") {
		switch {
		case goodLine.MatchString(line) && !good, skippedLine.MatchString(line):
			good = true
		case warningLine.MatchString(line):
			warning = line
		case strings.TrimSpace(line) == "" || idleLine.MatchString(line):
		case stray == "":
			stray = line
		}
	}
	switch check {
	case "TestErrFatal", "TestStatus":
		good = true
	}
	switch {
	case stray != "" && check != "TestErrFatal":
		return "unexpected output: " + stray
	case !good:
		return fmt.Sprintf("exit code %d without \"No Errors\"", code)
	case warning != "" && check == "":
		return "unexpected output: " + warning
	}
	wantFailure := check == "TestStatus" || check == "TestStatusNoErrors" || check == "TestErrFatal"
	if wantFailure != (code != 0) {
		return fmt.Sprintf("exit code %d", code)
	}
	return ""
}
