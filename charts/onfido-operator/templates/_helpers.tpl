{{/* Names and labels, as users of Helm expect them. A name has at most 63 characters, because it is a label's value too. */}}

{{- define "onfido-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "onfido-operator.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the Pod; a Deployment's selector can never change. */}}
{{- define "onfido-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "onfido-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "onfido-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "onfido-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "onfido-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "onfido-operator.fullname" .) }}
{{- end }}

{{/* Who the operator is to the API server. */}}
{{- define "onfido-operator.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "onfido-operator.serviceAccountName" . }}
{{- end }}

{{- define "onfido-operator.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion }}
{{- if not .Values.image.digest }}
{{- printf "%s:%s" .Values.image.repository $tag }}
{{- else if .Values.image.tag }}
{{- printf "%s:%s@%s" .Values.image.repository $tag .Values.image.digest }}
{{- else }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- end }}
{{- end }}

{{/* How the webhook endpoint is reached from outside, or at least from within the cluster. */}}
{{- define "onfido-operator.publicURL" -}}
{{- if .Values.webhook.publicURL }}
{{- regexReplaceAll "/+$" .Values.webhook.publicURL "" }}
{{- else if .Values.ingress.enabled }}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tlsSecretName))) .Values.ingress.host }}
{{- else }}
{{- $port := int .Values.service.port }}
{{- printf "http://%s.%s.svc%s" (include "onfido-operator.fullname" .) .Release.Namespace (eq $port 80 | ternary "" (printf ":%d" $port)) }}
{{- end }}
{{- end }}
