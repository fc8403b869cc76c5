// Counts the light of an electricity meter with an ESP32 (Arduino core 3) and sends what it counted to Lares:
// by HTTP to /api/electricity/pulse, or by MQTT to lares/pulse/<id> when MQTT_HOST is set.
// Messages that get no answer are kept and sent again, oldest first, so an hour without network costs nothing.

#include <HTTPClient.h>
#include <Preferences.h>
#include <PubSubClient.h>
#include <WiFi.h>
#include <esp_timer.h>

#include "secrets.h"  // WIFI_SSID, WIFI_PASSWORD, LARES_TOKEN, and for MQTT: MQTT_USER, MQTT_PASSWORD

const char *METER_ID = "house-meter";
const char *LARES_URL = "http://192.0.2.10:5000/api/electricity/pulse";
const char *MQTT_HOST = "";  // "192.0.2.10" to use MQTT instead
const int MQTT_PORT = 1883;
const int PIN = 27;
const int IMP_PER_KWH = 1000;

const uint64_t SEND_EVERY_MS = 5000;
const uint64_t SAVE_EVERY_MS = 60000;
const uint64_t DEBOUNCE_MS = 5;
const int MOST_PULSES = 64;
const int MOST_KEPT = 720;  // an hour
const int MOST_IN_ONE = 20;

struct Message {
  uint32_t total, sinceBoot, sequence;
  uint64_t uptimeMs;
  uint8_t pulses;
  uint64_t lastPulses[4];
};

portMUX_TYPE lock = portMUX_INITIALIZER_UNLOCKED;
volatile uint32_t total = 0, sinceBoot = 0;
volatile uint64_t pulseMs[MOST_PULSES];
volatile uint64_t lastEdgeMs = 0;

Preferences flash;
WiFiClient net;
PubSubClient mqtt(net);
Message kept[MOST_KEPT];
int keptFrom = 0, keptCount = 0;
uint32_t sequence = 0, boot = 0, savedTotal = 0;
uint64_t sentAt = 0, savedAt = 0;

uint64_t now() { return esp_timer_get_time() / 1000; }

void IRAM_ATTR onPulse() {
  uint64_t at = esp_timer_get_time() / 1000;
  portENTER_CRITICAL_ISR(&lock);
  if (at - lastEdgeMs >= DEBOUNCE_MS) {
    pulseMs[sinceBoot % MOST_PULSES] = at;
    total = total + 1;
    sinceBoot = sinceBoot + 1;
  }
  lastEdgeMs = at;
  portEXIT_CRITICAL_ISR(&lock);
}

void takeMessage() {
  // The oldest goes when there is no room: its count is in the newer ones.
  if (keptCount == MOST_KEPT) {
    keptFrom = (keptFrom + 1) % MOST_KEPT;
    keptCount -= 1;
  }
  Message &m = kept[(keptFrom + keptCount) % MOST_KEPT];
  portENTER_CRITICAL(&lock);
  m.total = total;
  m.sinceBoot = sinceBoot;
  m.uptimeMs = now();
  m.pulses = sinceBoot < 4 ? sinceBoot : 4;
  for (int i = 0; i < m.pulses; i++) m.lastPulses[i] = pulseMs[(sinceBoot - m.pulses + i) % MOST_PULSES];
  portEXIT_CRITICAL(&lock);
  m.sequence = ++sequence;
  keptCount += 1;
}

String json(const Message &m) {
  String out = "{\"id\":\"" + String(METER_ID) + "\",\"total_pulses\":" + String(m.total) +
               ",\"since_boot\":" + String(m.sinceBoot) + ",\"uptime_ms\":" + String(m.uptimeMs) +
               ",\"age_ms\":" + String(now() - m.uptimeMs) + ",\"sequence\":" + String(m.sequence) +
               ",\"boot\":" + String(boot) + ",\"imp_per_kwh\":" + String(IMP_PER_KWH) + ",\"pulses\":[";
  for (int i = 0; i < m.pulses; i++) out += (i ? "," : "") + String(m.lastPulses[i]);
  return out + "]}";
}

// True when Lares has it, or will never take it: only what got no answer is sent again.
bool deliver(const String &body) {
  if (MQTT_HOST[0] != '\0') {
    if (!mqtt.connected() && !mqtt.connect(METER_ID, MQTT_USER, MQTT_PASSWORD)) return false;
    return mqtt.publish((String("lares/pulse/") + METER_ID).c_str(), body.c_str());
  }
  HTTPClient http;
  http.setTimeout(4000);
  if (!http.begin(LARES_URL)) return false;
  http.addHeader("Content-Type", "application/json");
  http.addHeader("Authorization", String("Bearer ") + LARES_TOKEN);
  int status = http.POST(body);
  http.end();
  return status >= 200 && status < 500 && status != 429;
}

void sendKept() {
  while (keptCount > 0 && WiFi.status() == WL_CONNECTED) {
    int n = keptCount < MOST_IN_ONE ? keptCount : MOST_IN_ONE;
    String body = "[";
    for (int i = 0; i < n; i++) body += (i ? "," : "") + json(kept[(keptFrom + i) % MOST_KEPT]);
    if (!deliver(body + "]")) return;
    keptFrom = (keptFrom + n) % MOST_KEPT;
    keptCount -= n;
  }
}

void setup() {
  boot = esp_random();
  flash.begin("lares", false);
  total = savedTotal = flash.getUInt("total", 0);
  pinMode(PIN, INPUT_PULLUP);
  attachInterrupt(digitalPinToInterrupt(PIN), onPulse, FALLING);
  WiFi.mode(WIFI_STA);
  WiFi.setAutoReconnect(true);
  WiFi.begin(WIFI_SSID, WIFI_PASSWORD);
  mqtt.setServer(MQTT_HOST, MQTT_PORT);
  mqtt.setBufferSize(8192);
}

void loop() {
  mqtt.loop();
  if (now() - sentAt >= SEND_EVERY_MS) {
    sentAt = now();
    takeMessage();
    sendKept();
  }
  if (now() - savedAt >= SAVE_EVERY_MS && total != savedTotal) {
    savedAt = now();
    savedTotal = total;
    flash.putUInt("total", savedTotal);
  }
  delay(20);
}
