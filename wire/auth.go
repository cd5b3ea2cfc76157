package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrAuth says that the two ends do not share a secret.
var ErrAuth = errors.New("the secret was refused")

// authTimeout bounds the handshake: a peer that connects and stays silent
// holds only its own connection, and not for long.
const authTimeout = 10 * time.Second

func nonce() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// mac binds a proof to the side that gives it and to both nonces, so that no
// proof can be replayed or reflected.
func mac(secret, side, server, client string) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%s %s %s", side, server, client)
	return hex.EncodeToString(h.Sum(nil))
}

// Accept greets a client and checks that it knows the secret. A client that
// does not is told so in one line and learns nothing else.
func Accept(c *Conn, secret string) error {
	mine := nonce()
	if err := c.Send(New("MANA", "version", 1, "nonce", mine)); err != nil {
		return err
	}
	c.SetLimit(512)
	m, err := c.Recv(authTimeout)
	if err == nil && (m.Verb != "AUTH" || !hmac.Equal([]byte(m.Get("mac")), []byte(mac(secret, "client", mine, m.Get("nonce"))))) {
		err = ErrAuth
	}
	if err != nil {
		c.Send(New("REFUSED", "reason", "authentication failed"))
		return fmt.Errorf("client %s: %w", c.RemoteAddr(), err)
	}
	c.SetLimit(MaxLine)
	return c.Send(New("WELCOME", "mac", mac(secret, "server", mine, m.Get("nonce"))))
}

// Authenticate answers a server's greeting and checks that the server knows
// the secret too: an agent obeys its coordinator, so it must not obey just
// anyone who happens to hold the port.
func Authenticate(c *Conn, secret string) error {
	m, err := c.Recv(authTimeout)
	if err != nil {
		return fmt.Errorf("no greeting from %s: %w", c.RemoteAddr(), err)
	}
	if m.Verb != "MANA" || m.Int("version", 0) != 1 {
		return fmt.Errorf("%s is no mana coordinator", c.RemoteAddr())
	}
	server, client := m.Get("nonce"), nonce()
	if err := c.Send(New("AUTH", "nonce", client, "mac", mac(secret, "client", server, client))); err != nil {
		return err
	}
	m, err = c.Recv(authTimeout)
	if err != nil {
		return fmt.Errorf("handshake with %s: %w", c.RemoteAddr(), err)
	}
	if m.Verb != "WELCOME" || !hmac.Equal([]byte(m.Get("mac")), []byte(mac(secret, "server", server, client))) {
		return ErrAuth
	}
	return nil
}
