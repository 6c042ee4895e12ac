package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "grpc/testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const callTimeout = 30 * time.Second

// What a case works with: a channel of its own.
type client struct {
	pb.TestServiceClient
	connection *grpc.ClientConn
	concurrent int
}

type unsupported struct{ reason string }

func (e unsupported) Error() string { return e.reason }

func runCases(target string, concurrent int, names []string) bool {
	passed := true
	for _, name := range names {
		run, known := cases[name]
		if !known {
			fmt.Printf("SKIP %s: the program on grpc-go does not have it\n", name)
			continue
		}
		err := runCase(target, concurrent, run)
		var lacking unsupported
		switch {
		case err == nil:
			fmt.Println("PASS", name)
		case errors.As(err, &lacking):
			fmt.Printf("SKIP %s: %v\n", name, err)
		default:
			passed = false
			fmt.Printf("FAIL %s: %v\n", name, err)
		}
	}
	return passed
}

func runCase(target string, concurrent int, run func(*client) error) error {
	connection, err := grpc.Dial(target, grpc.WithInsecure())
	if err != nil {
		return err
	}
	defer connection.Close()
	done := make(chan error, 1)
	go func() { done <- run(&client{pb.NewTestServiceClient(connection), connection, concurrent}) }()
	select {
	case err := <-done:
		return err
	case <-time.After(60 * time.Second):
		return errors.New("not done within 60 s")
	}
}

func withTimeout(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// Whether a call ended as it had to.
func wantStatus(err error, code codes.Code, message string) error {
	if err == nil {
		return fmt.Errorf("succeeded instead of %v", code)
	}
	got := status.Convert(err)
	if got.Code() != code || message != "" && got.Message() != message {
		return fmt.Errorf("%v %q instead of %v %q", got.Code(), got.Message(), code, message)
	}
	return nil
}

func wantSize(got *pb.Payload, size int) error {
	if len(got.GetBody()) != size {
		return fmt.Errorf("a payload of %d bytes instead of %d", len(got.GetBody()), size)
	}
	return nil
}

func (c *client) large(options ...grpc.CallOption) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	return c.largeWith(ctx, &pb.SimpleRequest{}, options...)
}

func (c *client) largeWith(ctx context.Context, in *pb.SimpleRequest, options ...grpc.CallOption) error {
	in.ResponseSize, in.Payload = 314159, payload(271828)
	out, err := c.UnaryCall(ctx, in, options...)
	if err != nil {
		return err
	}
	return wantSize(out.Payload, 314159)
}

func duplexRequest(size int, answers ...int32) *pb.StreamingOutputCallRequest {
	in := &pb.StreamingOutputCallRequest{Payload: payload(int32(size))}
	for _, answer := range answers {
		in.ResponseParameters = append(in.ResponseParameters, &pb.ResponseParameters{Size: answer})
	}
	return in
}

func statusRequest(code int32, message string) *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: code, Message: message}}
}
