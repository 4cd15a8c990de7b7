package queue

import "context"

// gateSlots bounds the handlers of one process that run at once.
const gateSlots = 64

// Gate is shared by the workers of a process that handles several batches at
// once, so that a suspect runs while no other record of the process does: else
// it would be blamed for the deaths that its neighbours cause.
type Gate struct {
	turn  chan struct{} // held by the one who collects slots
	slots chan struct{}
}

// NewGate makes an open gate.
func NewGate() *Gate {
	return &Gate{turn: make(chan struct{}, 1), slots: make(chan struct{}, gateSlots)}
}

// enter waits for a place among others; false when ctx ended before.
func (g *Gate) enter(ctx context.Context) bool { return put(ctx, g.slots) }

func (g *Gate) leave() { <-g.slots }

// enterAlone waits until nobody else is inside and lets nobody in meanwhile;
// false when ctx ended before.
func (g *Gate) enterAlone(ctx context.Context) bool {
	if !put(ctx, g.turn) {
		return false
	}
	for taken := range gateSlots {
		if !put(ctx, g.slots) {
			g.free(taken)
			return false
		}
	}
	return true
}

func (g *Gate) leaveAlone() { g.free(gateSlots) }

func (g *Gate) free(slots int) {
	for range slots {
		<-g.slots
	}
	<-g.turn
}

func put(ctx context.Context, c chan struct{}) bool {
	select {
	case c <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
