package main

import (
	"fmt"
	"io"
	"time"

	pb "grpc/testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
)

// The cases of grpc/grpc doc/interop-test-descriptions.md; field.go has ours.
var cases = map[string]func(*client) error{
	"empty_unary": func(c *client) error {
		ctx, cancel := withTimeout(callTimeout)
		defer cancel()
		_, err := c.EmptyCall(ctx, &pb.Empty{})
		return err
	},
	"large_unary":                 func(c *client) error { return c.large() },
	"concurrent_large_unary":      concurrentLargeUnary,
	"client_streaming":            func(c *client) error { return c.sum([]int{27182, 8, 1828, 45904}, 74922) },
	"server_streaming":            func(c *client) error { return c.receive([]int32{31415, 9, 2653, 58979}) },
	"ping_pong":                   pingPong,
	"empty_stream":                emptyStream,
	"custom_metadata":             customMetadata,
	"status_code_and_message":     func(c *client) error { return echoedStatus(c, "test status message") },
	"special_status_message":      func(c *client) error { return echoedStatus(c, specialMessage) },
	"unimplemented_method":        unimplementedMethod,
	"unimplemented_service":       unimplementedService,
	"cancel_after_begin":          cancelAfterBegin,
	"cancel_after_first_response": cancelAfterFirstResponse,
	"timeout_on_sleeping_server":  timeoutOnSleepingServer,
	"client_compressed_unary":     clientCompressedUnary,
	"client_compressed_streaming": clientCompressedStreaming,
	"server_compressed_unary":     serverCompressedUnary,
	"server_compressed_streaming": serverCompressedStreaming,
	"burst_up":                    burstUp,
	"burst_down":                  burstDown,
	"burst_both":                  burstBoth,
	"burst_unary":                 burstUnary,
	"spaces_in_status":            spacesInStatus,
	"spaces_in_metadata":          spacesInMetadata,
	"metadata_8k":                 metadata8k,
	"trailers_only":               trailersOnly,
	"deadline":                    deadline,
	"cancel_mid_stream":           cancelMidStream,
	"half_close_early":            halfCloseEarly,
	"server_ends_first":           serverEndsFirst,
	"rst":                         rst,
	"health_check":                healthCheck,
	"health_watch":                healthWatch,
	"server_reflection":           serverReflection,
}

const specialMessage = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"

func concurrentLargeUnary(c *client) error {
	results := make(chan error, c.concurrent)
	for i := 0; i < c.concurrent; i++ {
		go func() {
			ctx, cancel := withTimeout(55 * time.Second)
			defer cancel()
			results <- c.largeWith(ctx, &pb.SimpleRequest{})
		}()
	}
	var first error
	failed := 0
	for i := 0; i < c.concurrent; i++ {
		if err := <-results; err != nil {
			first = err
			failed++
		}
	}
	if first != nil {
		return fmt.Errorf("%d of %d calls failed; one: %v", failed, c.concurrent, first)
	}
	return nil
}

func (c *client) sum(sizes []int, total int32, options ...grpc.CallOption) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.StreamingInputCall(ctx, options...)
	if err != nil {
		return err
	}
	for _, size := range sizes {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: payload(int32(size))}); err != nil {
			break // CloseAndRecv tells why.
		}
	}
	out, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if out.AggregatedPayloadSize != total {
		return fmt.Errorf("a sum of %d instead of %d", out.AggregatedPayloadSize, total)
	}
	return nil
}

func (c *client) receive(sizes []int32) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.StreamingOutputCall(ctx, duplexRequest(0, sizes...))
	if err != nil {
		return err
	}
	for _, size := range sizes {
		out, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := wantSize(out.Payload, int(size)); err != nil {
			return err
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("%v instead of the end", err)
	}
	return nil
}

func pingPong(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, pair := range [][2]int{{27182, 31415}, {8, 9}, {1828, 2653}, {45904, 58979}} {
		if err := stream.Send(duplexRequest(pair[0], int32(pair[1]))); err != nil {
			return err
		}
		out, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := wantSize(out.Payload, pair[1]); err != nil {
			return err
		}
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("%v instead of the end", err)
	}
	return nil
}

func emptyStream(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("%v instead of the end", err)
	}
	return nil
}

func customMetadata(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, initialKey, "test_initial_metadata_value", trailingKey, "\xab\xab\xab")
	check := func(header, trailer metadata.MD) error {
		if got := header[initialKey]; len(got) != 1 || got[0] != "test_initial_metadata_value" {
			return fmt.Errorf("initial metadata %q", got)
		}
		if got := trailer[trailingKey]; len(got) != 1 || got[0] != "\xab\xab\xab" {
			return fmt.Errorf("trailing metadata %q", got)
		}
		return nil
	}
	var header, trailer metadata.MD
	if err := c.largeWith(ctx, &pb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		return err
	}
	if err := check(header, trailer); err != nil {
		return err
	}
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.Send(duplexRequest(271828, 314159))
	stream.CloseSend()
	for err == nil {
		_, err = stream.Recv()
	}
	if err != io.EOF {
		return err
	}
	header, err = stream.Header()
	if err != nil {
		return err
	}
	return check(header, stream.Trailer())
}

func echoedStatus(c *client, message string) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	_, err := c.UnaryCall(ctx, statusRequest(2, message))
	if err := wantStatus(err, codes.Unknown, message); err != nil {
		return err
	}
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: &pb.EchoStatus{Code: 2, Message: message}})
	stream.CloseSend()
	_, err = stream.Recv()
	return wantStatus(err, codes.Unknown, message)
}

func unimplementedMethod(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	_, err := c.UnimplementedCall(ctx, &pb.Empty{})
	return wantStatus(err, codes.Unimplemented, "")
}

func unimplementedService(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	_, err := pb.NewUnimplementedServiceClient(c.connection).UnimplementedCall(ctx, &pb.Empty{})
	return wantStatus(err, codes.Unimplemented, "")
}

func cancelAfterBegin(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	stream, err := c.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	cancel()
	_, err = stream.CloseAndRecv()
	return wantStatus(err, codes.Canceled, "")
}

func cancelAfterFirstResponse(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	stream.Send(duplexRequest(27182, 31415))
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	_, err = stream.Recv()
	return wantStatus(err, codes.Canceled, "")
}

func timeoutOnSleepingServer(c *client) error {
	ctx, cancel := withTimeout(time.Millisecond)
	defer cancel()
	stream, err := c.FullDuplexCall(ctx)
	if err == nil {
		stream.Send(duplexRequest(27182))
		_, err = stream.Recv()
	}
	return wantStatus(err, codes.DeadlineExceeded, "")
}

func clientCompressedUnary(c *client) error {
	for _, compressed := range []bool{true, false} {
		ctx, cancel := withTimeout(callTimeout)
		defer cancel()
		said := &pb.SimpleRequest{ExpectCompressed: &pb.BoolValue{Value: compressed}}
		if compressed {
			wrong := c.largeWith(ctx, said)
			if err := wantStatus(wrong, codes.InvalidArgument, ""); err != nil {
				return unsupported{"the server does not check whether requests are compressed"}
			}
		}
		var options []grpc.CallOption
		if compressed {
			options = append(options, grpc.UseCompressor("gzip"))
		}
		if err := c.largeWith(ctx, said, options...); err != nil {
			return err
		}
	}
	return nil
}

// grpc-go compresses all messages of a stream or none.
func clientCompressedStreaming(c *client) error {
	return c.sum([]int{27182, 45904}, 73086, grpc.UseCompressor("gzip"))
}

func serverCompressedUnary(c *client) error {
	for _, compressed := range []bool{true, false} {
		ctx, cancel := withTimeout(callTimeout)
		defer cancel()
		if err := c.largeWith(ctx, &pb.SimpleRequest{ResponseCompressed: &pb.BoolValue{Value: compressed}}); err != nil {
			return err
		}
	}
	return nil
}

func serverCompressedStreaming(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	in := duplexRequest(0, 31415, 92653)
	in.ResponseParameters[0].Compressed = &pb.BoolValue{Value: true}
	stream, err := c.StreamingOutputCall(ctx, in)
	if err != nil {
		return err
	}
	for _, size := range []int{31415, 92653} {
		out, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := wantSize(out.Payload, size); err != nil {
			return err
		}
	}
	return nil
}
