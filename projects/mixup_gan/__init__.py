"""Figure 5 of the Mixup paper: mixtures of real and made points for the discriminator of a GAN."""
