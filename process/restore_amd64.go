package process

// gateCode is `syscall; int3`.
var gateCode = []byte{0x0f, 0x05, 0xcc}
