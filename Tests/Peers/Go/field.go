package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	pb "grpc/testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const burst = 100_000

func burstUp(c *client) error {
	sizes := make([]int, 60)
	for i := range sizes {
		sizes[i] = burst
	}
	return c.sum(sizes, 60*burst)
}

func burstDown(c *client) error {
	sizes := make([]int32, 60)
	for i := range sizes {
		sizes[i] = burst
	}
	return c.receive(sizes)
}

func burstBoth(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	go func() {
		for i := 0; i < 30; i++ {
			stream.Send(duplexRequest(burst, burst, burst))
		}
		stream.CloseSend()
	}()
	count := 0
	for {
		out, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = wantSize(out.Payload, burst)
		}
		if err != nil {
			return fmt.Errorf("response %d: %v", count, err)
		}
		count++
	}
	if count != 60 {
		return fmt.Errorf("%d responses instead of 60", count)
	}
	return nil
}

func burstUnary(c *client) error {
	for i := 0; i < 60; i++ {
		ctx, cancel := withTimeout(callTimeout)
		out, err := c.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: burst, Payload: payload(burst)})
		cancel()
		if err == nil {
			err = wantSize(out.Payload, burst)
		}
		if err != nil {
			return fmt.Errorf("call %d: %v", i, err)
		}
	}
	return nil
}

func spacesInStatus(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	_, err := c.UnaryCall(ctx, statusRequest(3, " spaces at both ends  "))
	got := status.Convert(err)
	if got.Code() != codes.InvalidArgument || strings.TrimSpace(got.Message()) != "spaces at both ends" {
		return fmt.Errorf("%v %q", got.Code(), got.Message())
	}
	return nil
}

func spacesInMetadata(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, initialKey, " spaces at both ends  ")
	var header metadata.MD
	if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}, grpc.Header(&header)); err != nil {
		return err
	}
	if got := header[initialKey]; len(got) != 1 || strings.TrimSpace(got[0]) != "spaces at both ends" {
		return fmt.Errorf("%q came back", got)
	}
	return nil
}

func metadata8k(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	text, binary := strings.Repeat("v", 3500), string(bytes.Repeat([]byte{0xab}, 2550))
	ctx = metadata.AppendToOutgoingContext(ctx, initialKey, text, trailingKey, binary)
	var header, trailer metadata.MD
	if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		return err
	}
	if got := header[initialKey]; len(got) != 1 || got[0] != text {
		return fmt.Errorf("the initial metadata differs")
	}
	if got := trailer[trailingKey]; len(got) != 1 || got[0] != binary {
		return fmt.Errorf("the trailing metadata differs")
	}
	return nil
}

func trailersOnly(c *client) error {
	for code := int32(1); code <= 16; code++ {
		ctx, cancel := withTimeout(callTimeout)
		_, err := c.UnaryCall(ctx, statusRequest(code, fmt.Sprint("code ", code)))
		cancel()
		if err := wantStatus(err, codes.Code(code), fmt.Sprint("code ", code)); err != nil {
			return err
		}
	}
	return nil
}

func deadline(c *client) error {
	ctx, cancel := withTimeout(200 * time.Millisecond)
	defer cancel()
	start := time.Now()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.Send(&pb.StreamingOutputCallRequest{
		ResponseParameters: []*pb.ResponseParameters{{Size: 1, IntervalUs: 10_000_000}}})
	_, err = stream.Recv()
	if err := wantStatus(err, codes.DeadlineExceeded, ""); err != nil {
		return err
	}
	if taken := time.Since(start); taken > 2*time.Second {
		return fmt.Errorf("a deadline of 200 ms took %v", taken)
	}
	return c.large()
}

func cancelMidStream(c *client) error {
	sizes := make([]int32, 500)
	for i := range sizes {
		sizes[i] = burst
	}
	for i := 0; i < 5; i++ {
		ctx, cancel := withTimeout(callTimeout)
		stream, err := c.StreamingOutputCall(ctx, duplexRequest(0, sizes...))
		if err != nil {
			cancel()
			return err
		}
		for j := 0; j < 3; j++ {
			if _, err := stream.Recv(); err != nil {
				cancel()
				return err
			}
		}
		cancel()
		for err == nil {
			_, err = stream.Recv()
		}
		if err := wantStatus(err, codes.Canceled, ""); err != nil {
			return err
		}
	}
	return c.large()
}

func halfCloseEarly(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	in := duplexRequest(0, 31415, 31415, 31415, 31415, 31415)
	for _, parameters := range in.ResponseParameters {
		parameters.IntervalUs = 10_000
	}
	stream.Send(in)
	stream.CloseSend()
	count := 0
	for ; ; count++ {
		if _, err = stream.Recv(); err != nil {
			break
		}
	}
	if err != io.EOF || count != 5 {
		return fmt.Errorf("%d responses and %v instead of 5", count, err)
	}
	return nil
}

func serverEndsFirst(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	go func() {
		stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: 9, Message: "enough"}})
		for i := 0; i < 100; i++ {
			if stream.Send(duplexRequest(burst)) != nil {
				return
			}
		}
	}()
	_, err = stream.Recv()
	if err := wantStatus(err, codes.FailedPrecondition, "enough"); err != nil {
		return err
	}
	return c.large()
}

func rst(c *client) error {
	for i := 0; i < 50; i++ {
		ctx, cancel := withTimeout(callTimeout)
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			cancel()
			return err
		}
		stream.Send(duplexRequest(1000, 9))
		if i%2 == 0 {
			stream.Recv()
		}
		cancel()
	}
	return c.large()
}
