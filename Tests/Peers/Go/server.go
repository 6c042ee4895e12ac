package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	pb "grpc/testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

const (
	initialKey  = "x-grpc-test-echo-initial"
	trailingKey = "x-grpc-test-echo-trailing-bin"
)

type testService struct{}

func serve(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fail(err.Error())
	}
	server := grpc.NewServer()
	pb.RegisterTestServiceServer(server, &testService{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.GracefulStop()
	}()
	fmt.Println("LISTENING", listener.Addr())
	if err := server.Serve(listener); err != nil {
		fail(err.Error())
	}
}

// Echoes metadata.
func begin(ctx context.Context) (header, trailer metadata.MD) {
	received, _ := metadata.FromIncomingContext(ctx)
	header, trailer = metadata.MD{}, metadata.MD{}
	header[initialKey] = received[initialKey]
	trailer[trailingKey] = received[trailingKey]
	return header, trailer
}

func payload(size int32) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

func echoStatus(asked *pb.EchoStatus) error {
	if asked.GetCode() == 0 {
		return nil
	}
	return status.Error(codes.Code(asked.Code), asked.Message)
}

func (*testService) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	return &pb.Empty{}, nil
}

func (*testService) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	header, trailer := begin(ctx)
	grpc.SetHeader(ctx, header)
	grpc.SetTrailer(ctx, trailer)
	if err := echoStatus(in.ResponseStatus); err != nil {
		return nil, err
	}
	out := &pb.SimpleResponse{Payload: payload(in.ResponseSize)}
	if in.FillServerId {
		out.ServerId = "go"
	}
	return out, nil
}

func (service *testService) CacheableUnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return service.UnaryCall(ctx, in)
}

func (*testService) UnimplementedCall(context.Context, *pb.Empty) (*pb.Empty, error) {
	return nil, status.Error(codes.Unimplemented, "never implemented")
}

type outputStream interface {
	Send(*pb.StreamingOutputCallResponse) error
	Context() context.Context
}

func answer(in *pb.StreamingOutputCallRequest, stream outputStream) error {
	if err := echoStatus(in.ResponseStatus); err != nil {
		return err
	}
	for _, parameters := range in.ResponseParameters {
		select {
		case <-time.After(time.Duration(parameters.IntervalUs) * time.Microsecond):
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: payload(parameters.Size)}); err != nil {
			return err
		}
	}
	return nil
}

func (*testService) StreamingOutputCall(in *pb.StreamingOutputCallRequest, stream pb.TestService_StreamingOutputCallServer) error {
	header, trailer := begin(stream.Context())
	stream.SetHeader(header)
	stream.SetTrailer(trailer)
	return answer(in, stream)
}

func (*testService) StreamingInputCall(stream pb.TestService_StreamingInputCallServer) error {
	total := 0
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
		}
		if err != nil {
			return err
		}
		total += len(in.GetPayload().GetBody())
	}
}

func (*testService) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	header, trailer := begin(stream.Context())
	stream.SetHeader(header)
	stream.SetTrailer(trailer)
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = answer(in, stream)
		}
		if err != nil {
			return err
		}
	}
}

func (*testService) HalfDuplexCall(stream pb.TestService_HalfDuplexCallServer) error {
	var all []*pb.StreamingOutputCallRequest
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		all = append(all, in)
	}
	for _, in := range all {
		if err := answer(in, stream); err != nil {
			return err
		}
	}
	return nil
}
