package main

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

// Cases of the services that tools and probes ask. Debian's grpc-go knows neither List nor reflection v1.

func healthCheck(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	health := healthpb.NewHealthClient(c.connection)
	out, err := health.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if out.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("the server as a whole is %v", out.Status)
	}
	_, err = health.Check(ctx, &healthpb.HealthCheckRequest{Service: "no.such.Service"})
	return wantStatus(err, codes.NotFound, "")
}

func healthWatch(c *client) error {
	health := healthpb.NewHealthClient(c.connection)
	for _, each := range []struct {
		service string
		status  healthpb.HealthCheckResponse_ServingStatus
	}{{"", healthpb.HealthCheckResponse_SERVING}, {"no.such.Service", healthpb.HealthCheckResponse_SERVICE_UNKNOWN}} {
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		watch, err := health.Watch(ctx, &healthpb.HealthCheckRequest{Service: each.service})
		if err != nil {
			cancel()
			return err
		}
		first, err := watch.Recv()
		if err == nil && first.Status != each.status {
			err = fmt.Errorf("%q is %v", each.service, first.Status)
		}
		if err == nil {
			_, err = health.Check(ctx, &healthpb.HealthCheckRequest{})
		}
		cancel()
		if err != nil {
			return err
		}
		_, err = watch.Recv()
		if err := wantStatus(err, codes.Canceled, ""); err != nil {
			return err
		}
	}
	return nil
}

func serverReflection(c *client) error {
	ctx, cancel := withTimeout(callTimeout)
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(c.connection).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	ask := func(question *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
		if err := stream.Send(question); err != nil {
			return nil, err
		}
		return stream.Recv()
	}
	bySymbol := func(name string) *reflectionpb.ServerReflectionRequest {
		return &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
	}
	answer, err := ask(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return err
	}
	found := false
	for _, service := range answer.GetListServicesResponse().GetService() {
		found = found || service.Name == "grpc.testing.TestService"
	}
	if !found {
		return fmt.Errorf("the services are %v", answer)
	}
	if answer, err = ask(bySymbol("no.such.Symbol")); err != nil {
		return err
	}
	if answer.GetErrorResponse().GetErrorCode() != int32(codes.NotFound) {
		return fmt.Errorf("%v instead of NOT_FOUND", answer)
	}
	for _, symbol := range []string{"grpc.testing.TestService", "grpc.testing.TestService.UnaryCall"} {
		if answer, err = ask(bySymbol(symbol)); err != nil {
			return err
		}
		if len(answer.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
			return fmt.Errorf("no file for %v: %v", symbol, answer)
		}
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("%v instead of the end", err)
	}
	return nil
}
