{{- define "metriclet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "metriclet.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "metriclet.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The prefix of other objects' names: custom-metrics-config for custom-metrics-apiserver. */}}
{{- define "metriclet.prefix" -}}
{{- include "metriclet.fullname" . | trimSuffix "-apiserver" }}
{{- end }}

{{- define "metriclet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "metriclet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: metrics-adapter
{{- end }}

{{- define "metriclet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "metriclet.selectorLabels" . }}
app.kubernetes.io/part-of: metriclet
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "metriclet.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "metriclet.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "metriclet.subjects" -}}
- kind: ServiceAccount
  name: {{ include "metriclet.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "metriclet.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "metriclet.configMapName" -}}
{{- default (printf "%s-config" (include "metriclet.prefix" .)) .Values.existingConfigMap }}
{{- end }}

{{- /* The Secret with the serving certificate. */}}
{{- define "metriclet.tlsSecretName" -}}
{{- if eq .Values.tls.type "existingSecret" }}
{{- required "tls.existingSecret.name: expected a name, as tls.type is existingSecret" .Values.tls.existingSecret.name }}
{{- else }}
{{- printf "%s-tls" (include "metriclet.fullname" .) }}
{{- end }}
{{- end }}

{{- /* The names in the serving certificate, a list in YAML. The first is the one that kube-apiserver verifies. */}}
{{- define "metriclet.dnsNames" -}}
{{- $name := printf "%s.%s" (include "metriclet.fullname" .) .Release.Namespace -}}
- {{ $name }}.svc
- {{ $name }}.svc.{{ .Values.tls.clusterDomain }}
- {{ $name }}
{{- end }}
