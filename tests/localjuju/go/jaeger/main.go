// Jaeger with what a trace store in a test needs, and no more: it receives OTLP over gRPC and HTTP,
// keeps the spans in memory, and answers Jaeger's query API, all with Jaeger's own packages and
// flags. Jaeger's all-in-one program links every storage that Jaeger has, and takes several times as
// long to build.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	collector "github.com/jaegertracing/jaeger/cmd/collector/app/flags"
	"github.com/jaegertracing/jaeger/cmd/collector/app/handler"
	"github.com/jaegertracing/jaeger/cmd/collector/app/processor"
	"github.com/jaegertracing/jaeger/cmd/collector/app/sanitizer"
	query "github.com/jaegertracing/jaeger/cmd/query/app"
	"github.com/jaegertracing/jaeger/cmd/query/app/querysvc"
	"github.com/jaegertracing/jaeger/model"
	"github.com/jaegertracing/jaeger/model/adjuster"
	"github.com/jaegertracing/jaeger/pkg/config"
	"github.com/jaegertracing/jaeger/pkg/healthcheck"
	"github.com/jaegertracing/jaeger/pkg/metrics"
	telemetry "github.com/jaegertracing/jaeger/pkg/telemetery" // codespell:ignore telemetery
	"github.com/jaegertracing/jaeger/pkg/tenancy"
	"github.com/jaegertracing/jaeger/pkg/version"
	"github.com/jaegertracing/jaeger/plugin/metrics/disabled"
	"github.com/jaegertracing/jaeger/plugin/storage/memory"
	"github.com/jaegertracing/jaeger/storage/spanstore"
)

const adminHostPort = "admin.http.host-port"

// writer stores spans at once, in the request that brings them.
type writer struct {
	store    spanstore.Writer
	sanitize sanitizer.SanitizeSpan
}

func (w writer) ProcessSpans(spans []*model.Span, _ processor.SpansOptions) ([]bool, error) {
	stored := make([]bool, len(spans))
	for i, span := range spans {
		if err := w.store.WriteSpan(context.Background(), w.sanitize(span)); err != nil {
			return nil, err
		}
		stored[i] = true
	}
	return stored, nil
}

func (writer) Close() error { return nil }

// serve runs until the program is asked to end.
func serve(v *viper.Viper) error {
	settings := zap.NewProductionConfig()
	settings.Level = zap.NewAtomicLevelAt(zap.WarnLevel)
	settings.Sampling = nil
	logger, err := settings.Build()
	if err != nil {
		return err
	}
	health := healthcheck.New()
	health.SetLogger(logger)
	go func() {
		logger.Fatal("admin", zap.Error(http.ListenAndServe(v.GetString(adminHostPort), health.Handler())))
	}()

	storage := memory.NewFactory()
	storage.InitFromViper(v, logger)
	if err := storage.Initialize(metrics.NullFactory, logger); err != nil {
		return err
	}
	spans, err := storage.CreateSpanWriter()
	if err != nil {
		return err
	}
	reader, err := storage.CreateSpanReader()
	if err != nil {
		return err
	}
	dependencies, err := storage.CreateDependencyReader()
	if err != nil {
		return err
	}
	noMetrics, err := disabled.NewMetricsReader()
	if err != nil {
		return err
	}
	receive, err := new(collector.CollectorOptions).InitFromViper(v, logger)
	if err != nil {
		return err
	}
	answer, err := new(query.QueryOptions).InitFromViper(v, logger)
	if err != nil {
		return err
	}

	tenants := tenancy.NewManager(&tenancy.Options{})
	sanitize := sanitizer.NewChainedSanitizer(sanitizer.NewStandardSanitizers()...)
	receiver, err := handler.StartOTLPReceiver(receive, logger, writer{spans, sanitize}, tenants)
	if err != nil {
		return err
	}
	adjust := adjuster.Sequence(querysvc.StandardAdjusters(answer.MaxClockSkewAdjust)...)
	service := querysvc.NewQueryService(
		reader, dependencies, querysvc.QueryServiceOptions{Adjuster: adjust},
	)
	server, err := query.NewServer(service, noMetrics, answer, tenants, telemetry.Setting{
		Logger:         logger,
		TracerProvider: noop.NewTracerProvider(),
		Metrics:        metrics.NullFactory,
		ReportStatus:   telemetry.HCAdapter(health),
	})
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	health.Ready()

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	<-ended
	_ = receiver.Shutdown(context.Background())
	return server.Close()
}

func main() {
	v := viper.New()
	command := &cobra.Command{
		Use:          "jaeger",
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return serve(v) },
	}
	command.AddCommand(&cobra.Command{
		Use: "version",
		Run: func(*cobra.Command, []string) { fmt.Println(version.Get().GitVersion) },
	})
	admin := func(flags *flag.FlagSet) {
		flags.String(adminHostPort, "127.0.0.1:14269", "where to ask whether it is ready")
	}
	config.AddFlags(v, command, admin, memory.AddFlags, collector.AddFlags, query.AddFlags)
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}
