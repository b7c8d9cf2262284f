// A preload (`--import`): an OpenTelemetry SDK that sends each span, as soon as it ends, to the collector of a test.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

// The address is in the variable OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.
const exporter = new OTLPTraceExporter({ headers: { 'x-process': String(process.pid) } });
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
