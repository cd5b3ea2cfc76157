package image

import (
	"encoding/binary"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"testing"
)

// The table of the header in the documentation is compared with what is
// written: a field elsewhere, or one that the table lacks, is found.
func TestFormatDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/image-format.md")
	if err != nil {
		t.Fatal(err)
	}
	h := header{Codec: XZ, DataEnd: 101, MetaOff: 102, MetaLen: 103, MetaSum: 104, IndexOff: 105, Chunks: 106, IndexSum: 107, FileSize: 108}
	page := h.encode()
	want := map[string]uint64{"Version": version, "HeaderSum": uint64(checksum(page[:headerSize-4])),
		"Magic": binary.LittleEndian.Uint64([]byte(magic))}
	v := reflect.ValueOf(h)
	for i := range v.NumField() {
		want[v.Type().Field(i).Name] = v.Field(i).Convert(reflect.TypeFor[uint64]()).Uint()
	}
	covered := make([]bool, PageSize)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \| (\w+) \|`).FindAllStringSubmatch(string(text), -1) {
		off, _ := strconv.Atoi(row[1])
		n, _ := strconv.Atoi(row[2])
		var b [8]byte
		copy(b[:], page[off:off+n])
		if got := binary.LittleEndian.Uint64(b[:]); got != want[row[3]] || want[row[3]] == 0 {
			t.Errorf("%s at %d, %d bytes: %d, want %d", row[3], off, n, got, want[row[3]])
		}
		delete(want, row[3])
		for i := range n {
			covered[off+i] = true
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the table: %v", want)
	}
	for i, b := range page {
		if b != 0 && !covered[i] {
			t.Errorf("byte %d of the header is not in the table", i)
			break
		}
	}
}
