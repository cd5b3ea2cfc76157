module mana

go 1.24.0

require golang.org/x/sys v0.40.0

require (
	github.com/alecthomas/kong v1.12.1
	github.com/klauspost/compress v1.18.0
	github.com/ulikunitz/xz v0.5.17
)
