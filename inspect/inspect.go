// Package inspect is the role of mana_inspect: it tells what a checkpoint
// directory holds, or what is in one image, without restarting anything.
package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"mana/cli"
	"mana/image"
	"mana/manifest"
	"mana/process"
)

const description = "Tell what a checkpoint directory or an image holds."

type options struct {
	cli.Common
	JSON   bool     `name:"json" help:"Answer with one line of JSON."`
	Verify bool     `help:"Read all data and compare the checksums."`
	Paths  []string `arg:"" optional:"" name:"path" help:"Checkpoint directories or images (default: the current directory)."`
}

// Main runs the role under the given tool name. Its status is 0 if all that
// was named can be restarted from, else 1.
func Main(name string, args []string) int {
	var o options
	if _, status, over := cli.Open(cli.Tool{Name: name, Description: description, Status: 2, Out: os.Stderr, Prefix: name}, &o, &o.Common, args); over {
		return status
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"."}
	}
	code := 0
	for i, path := range o.Paths {
		if i > 0 && !o.JSON {
			fmt.Println()
		}
		if err := o.one(path, os.Stdout); err != nil {
			code = cli.Die(name, 1, err)
		}
	}
	return code
}

// report is what can be told of a path, in text or JSON.
type report interface{ text(w io.Writer) }

func (o *options) one(path string, w io.Writer) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	var r report
	if st.IsDir() {
		r, err = o.directory(path)
	} else {
		r, err = o.image(path)
	}
	if r == nil {
		return err
	}
	if !o.JSON {
		r.text(w)
		return err
	}
	b, jerr := json.Marshal(r)
	if jerr != nil {
		return jerr
	}
	fmt.Fprintf(w, "%s\n", b)
	return err
}

// mpiInfo is what the agent keeps of an MPI program, as far as it is of
// interest here.
type mpiInfo struct {
	Rank    int    `json:"rank"`
	Ranks   int    `json:"nranks"`
	ABI     string `json:"abi"`
	Library string `json:"library,omitempty"`
}

// opened is an image with its description.
type opened struct {
	*image.Image
	state process.State
	mpi   *mpiInfo
}

func open(path string) (*opened, error) {
	im, err := image.Open(path)
	if err != nil {
		return nil, err
	}
	o := &opened{Image: im}
	err = json.Unmarshal(im.Metadata, &o.state)
	if err == nil && o.state.MPI != nil {
		o.mpi = new(mpiInfo)
		err = json.Unmarshal(o.state.MPI, o.mpi)
	}
	if err != nil {
		im.Close()
		return nil, fmt.Errorf("checkpoint image %s: %w: %w", path, image.ErrDamaged, err)
	}
	return o, nil
}

// check looks at one image of a generation; with verify at all its data.
func check(m *manifest.Manifest, im manifest.Image, verify bool) error {
	path := m.Path(im)
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case st.Size() != im.Size:
		return fmt.Errorf("%s has %d bytes, was written with %d", path, st.Size(), im.Size)
	case !verify:
		return nil
	}
	file, err := image.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if im.Sum != "" && file.Checksum != im.Sum {
		return fmt.Errorf("%s: %w: its checksum is not the one that the manifest has", path, image.ErrDamaged)
	}
	return file.Verify()
}

var families = map[string]string{"mpich": "MPICH", "ompi": "Open MPI", "std": "the standard MPI ABI"}

// family names the ABI for people.
func (m *mpiInfo) family() string {
	if name := families[m.ABI]; name != "" {
		return name
	}
	return m.ABI
}

// ranOn names the library that the job ran on, by the first words of what
// MPI_Get_library_version says.
func (m *mpiInfo) ranOn() string {
	line, _, _ := strings.Cut(m.Library, "\n")
	line, _, _ = strings.Cut(line, ",")
	return strings.Join(strings.Fields(line), " ")
}

// size is a number of bytes for people.
func size(n int64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"): // series, process
		return fmt.Sprintf("%d %s", n, map[string]string{"series": "series", "process": "processes"}[what])
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var errIncomplete = errors.New("no complete generation")
