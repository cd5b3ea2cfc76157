package process

// Relocate replaces the paths by which a restart opens what the process had
// open: files, mapped files, its program and its working directory.
func (st *State) Relocate(move func(path string) string) {
	st.Cwd = move(st.Cwd)
	st.Exe.Path = move(st.Exe.Path)
	for i := range st.Files {
		f := &st.Files[i]
		f.Path = move(f.Path)
		for w := range f.Inotify {
			f.Inotify[w].Path = move(f.Inotify[w].Path)
		}
	}
	for i := range st.VMAs {
		if f := st.VMAs[i].File; f != nil {
			f.Path = move(f.Path)
		}
	}
}
