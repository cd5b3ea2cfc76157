package agent

import (
	"fmt"
	"time"

	"mana/wire"
)

// link is the agent's line to its coordinator. A coordinator that goes does
// not take the program with it: the link is opened again when one answers.
type link struct {
	dial func() (*wire.Conn, error)
	conn *wire.Conn
	in   chan inbound
}

// inbound is a message, or the end of a connection.
type inbound struct {
	conn *wire.Conn
	msg  wire.Message
	err  error
}

const reconnectAfter = 2 * time.Second

// open connects, joins and waits until the coordinator lets the agent in,
// which it does not while a checkpoint is under way.
func (l *link) open(join wire.Message) (wire.Message, error) {
	c, err := l.dial()
	if err != nil {
		return wire.Message{}, err
	}
	if err = c.Send(join); err != nil {
		c.Close()
		return wire.Message{}, err
	}
	m, err := c.Recv(0)
	if err == nil && m.Verb == "REFUSED" {
		err = fmt.Errorf("the coordinator refused: %s", m.Get("reason"))
	}
	if err == nil && m.Verb != "JOINED" {
		err = fmt.Errorf("the coordinator answered %s to JOIN", m.Verb)
	}
	if err != nil {
		c.Close()
		return wire.Message{}, fmt.Errorf("join the computation: %w", err)
	}
	l.conn = c
	go l.read(c)
	return m, nil
}

func (l *link) read(c *wire.Conn) {
	for {
		m, err := c.Recv(0)
		l.in <- inbound{c, m, err}
		if err != nil {
			return
		}
	}
}

// send drops the message when there is no coordinator; the loss of the
// connection is what the loop acts upon.
func (l *link) send(verb string, pairs ...any) {
	l.sendMessage(wire.New(verb, pairs...))
}

func (l *link) sendMessage(m wire.Message) {
	if l.conn != nil {
		l.conn.Send(m)
	}
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}
