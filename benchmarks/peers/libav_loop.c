/* The floor of decoding: libavformat and libavcodec in one thread, each frame mixed down to mono
   float32 in a buffer that the next one overwrites. Planar floats only, which is what MP3 gives. */

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

const char* libav_version(void) { return av_version_info(); }

/* Number of samples; negative: an error code of libav. */
long decode_mono(const char* path, float* buffer, int capacity) {
  AVFormatContext* format = NULL;
  AVCodecContext* codec = NULL;
  AVPacket* packet = av_packet_alloc();
  AVFrame* frame = av_frame_alloc();
  const AVCodec* decoder = NULL;
  long n_samples = 0;
  int stream, error;

  if ((error = avformat_open_input(&format, path, NULL, NULL)) < 0 ||
      (error = avformat_find_stream_info(format, NULL)) < 0 ||
      (error = stream = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, &decoder, 0)) < 0)
    goto end;
  codec = avcodec_alloc_context3(decoder);
  codec->thread_count = 1;
  if ((error = avcodec_parameters_to_context(codec, format->streams[stream]->codecpar)) < 0 ||
      (error = avcodec_open2(codec, decoder, NULL)) < 0)
    goto end;
  for (int reading = 1; reading;) {
    reading = av_read_frame(format, packet) >= 0;
    if (reading && packet->stream_index != stream) {
      av_packet_unref(packet);
      continue;
    }
    avcodec_send_packet(codec, reading ? packet : NULL); /* a damaged packet costs itself */
    av_packet_unref(packet);
    while (avcodec_receive_frame(codec, frame) >= 0) {
      if (frame->format != AV_SAMPLE_FMT_FLTP || frame->nb_samples > capacity) {
        error = AVERROR(ENOSYS);
        goto end;
      }
      const float* left = (const float*)frame->data[0];
      const float* right = frame->data[1] ? (const float*)frame->data[1] : left;
      for (int i = 0; i < frame->nb_samples; ++i) buffer[i] = 0.5f * (left[i] + right[i]);
      n_samples += frame->nb_samples;
    }
  }
  error = 0;
end:
  av_frame_free(&frame);
  av_packet_free(&packet);
  avcodec_free_context(&codec);
  avformat_close_input(&format);
  return error < 0 ? error : n_samples;
}
