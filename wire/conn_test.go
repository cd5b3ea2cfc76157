package wire

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen serves one connection with Accept and reports its outcome.
func listen(t *testing.T, secret string) (addr string, result chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	result = make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err != nil {
			result <- err
			return
		}
		c := NewConn(raw)
		defer c.Close()
		if err = Accept(c, secret); err == nil {
			_, err = c.Recv(time.Second)
		}
		result <- err
	}()
	return l.Addr().String(), result
}

func TestHandshake(t *testing.T) {
	addr, result := listen(t, "s3cret")
	c, err := DialSecret(addr, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(New("HELLO")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestHandshakeWrongSecret(t *testing.T) {
	addr, result := listen(t, "right")
	if _, err := DialSecret(addr, "wrong"); !errors.Is(err, ErrAuth) {
		t.Errorf("client: %v, want ErrAuth", err)
	}
	if err := <-result; !errors.Is(err, ErrAuth) {
		t.Errorf("server: %v, want ErrAuth", err)
	}
}

// A peer that speaks something else gets the greeting, one line and the end.
func TestStrangerLearnsNothing(t *testing.T) {
	addr, result := listen(t, "right")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	io.WriteString(c, "GET / HTTP/1.1\r\n")
	all, _ := io.ReadAll(c)
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "MANA version=1 nonce=") || lines[1] != `REFUSED reason="authentication failed"` {
		t.Errorf("got %q", all)
	}
	if err := <-result; !errors.Is(err, ErrAuth) && !errors.Is(err, errSyntax) {
		t.Errorf("server: %v", err)
	}
}

// A coordinator that does not know the secret must not be obeyed.
func TestImpostorServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		c := NewConn(raw)
		defer c.Close()
		c.Send(New("MANA", "version", 1, "nonce", "aa"))
		c.Recv(time.Second)
		c.Send(New("WELCOME", "mac", "00"))
	}()
	if _, err := DialSecret(l.Addr().String(), "s"); !errors.Is(err, ErrAuth) {
		t.Errorf("got %v, want ErrAuth", err)
	}
}

func TestLineLimit(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	c := NewConn(b)
	c.SetLimit(100)
	go io.WriteString(a, "V k="+strings.Repeat("a", 200)+"\n")
	if _, err := c.Recv(time.Second); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
}

func TestSecretFileUnderEveryName(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv(SecretEnv, "")
	path, err := StoreSecret(7779, "abc")
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("secret file: %v, %v", st, err)
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("secret directory: %v, %v", st, err)
	}
	for _, host := range []string{"", "localhost", "127.0.0.1", LocalName()} {
		if got := Secrets(host, 7779); len(got) != 1 || got[0] != "abc" {
			t.Errorf("Secrets(%q) = %q", host, got)
		}
	}
	if got := Secrets("localhost", 7780); len(got) != 0 {
		t.Errorf("other port: %q", got)
	}
	if got := Secrets("../x", 7779); len(got) != 0 {
		t.Errorf("odd host name: %q", got)
	}
}
