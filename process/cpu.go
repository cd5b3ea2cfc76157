package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// cpuFeatures are the instruction-set extensions, as /proc/cpuinfo calls them,
// that programs and libraries look for once and then rely on.
var cpuFeatures = []string{
	"cx16", "pni", "ssse3", "sse4_1", "sse4_2", "sse4a", "popcnt", "abm", "movbe", "aes", "pclmulqdq",
	"avx", "avx2", "fma", "fma4", "xop", "f16c", "bmi1", "bmi2", "adx", "sha_ni", "rdrand", "rdseed", "rdpid",
	"fsgsbase", "xsave", "xsavec", "erms", "fsrm", "rtm", "pku", "clflushopt", "clwb", "vaes", "vpclmulqdq", "gfni",
	"avx_vnni", "avx512f", "avx512dq", "avx512ifma", "avx512cd", "avx512bw", "avx512vl", "avx512vbmi",
	"avx512_vbmi2", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "avx512_bf16", "avx512_fp16",
	"amx_tile", "amx_int8", "amx_bf16", "movdiri", "movdir64b", "serialize", "waitpkg",
}

// parseCPUFeatures picks the known features out of /proc/cpuinfo.
func parseCPUFeatures(cpuinfo string) []string {
	var out []string
	for line := range strings.Lines(cpuinfo) {
		key, flags, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) != "flags" {
			continue
		}
		have := strings.Fields(flags)
		for _, f := range cpuFeatures {
			if slices.Contains(have, f) {
				out = append(out, f)
			}
		}
		break
	}
	return out
}

// readCPUFeatures returns the features of this machine's CPU.
func readCPUFeatures() ([]string, error) {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return nil, fmt.Errorf("read CPU features: %w", err)
	}
	return parseCPUFeatures(string(b)), nil
}

// missing returns what is in want but not in have.
func missing(want, have []string) []string {
	var out []string
	for _, f := range want {
		if !slices.Contains(have, f) {
			out = append(out, f)
		}
	}
	return out
}

// checkCPU refuses a program that has seen instructions which this CPU lacks:
// its libraries have already chosen code that uses them.
func checkCPU(st *State) error {
	have, err := readCPUFeatures()
	if err != nil {
		return err
	}
	if m := missing(st.CPUFeatures, have); len(m) > 0 {
		return fmt.Errorf("this CPU lacks instructions that the program may use: %s", strings.Join(m, " "))
	}
	return nil
}
